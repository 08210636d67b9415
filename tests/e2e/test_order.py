"""The judge of order turns red for each kind of wrong run, and for nothing else."""

from dataclasses import replace

import pytest

from tests.e2e.order import Logged, Run, Window
from tests.e2e.receiver import HANG_UP, Delivery

LOG = [Logged("sub", f"m{number}", "sub/1", number) for number in range(4)]
SCHEDULE_S = (0.5,)


def _request(number: int, *, attempt: int = 1, status: int = 204, at: float) -> Delivery:
    return Delivery(
        path="p",
        webhook_id=f"m{number}",
        attempt=attempt,
        sequence=number,
        headers={},
        body=b"",
        status=status,
        verified=True,
        arrived_s=at,
    )


GOOD = [
    _request(0, at=1.0),
    _request(1, status=500, at=2.0),
    _request(1, attempt=2, at=3.0),
    _request(2, status=500, at=4.0),
    _request(2, attempt=2, status=500, at=5.0),
    _request(3, at=6.0),
]
DEAD = [("sub", "m2")]


def _faults(requests: list[Delivery], dead: list[tuple[str, str]], log: list[Logged]) -> set[str]:
    run = Run(log, dead, requests, subscription_at={"p": "sub"})
    found = {
        "doubled": run.doubled(),
        "lost": run.lost(),
        "invented": run.invented(),
        "overtaking": run.overtakings(lanes={"sub/1"}),
        "repeat": run.unexcused([]),
        "early": run.early(SCHEDULE_S),
    }
    return {name for name, items in found.items() if items}


def test_a_good_run_is_green() -> None:
    """Failures, retries and a dead letter are no fault."""
    assert _faults(GOOD, DEAD, LOG) == set()


@pytest.mark.parametrize(
    ("fault", "requests", "dead", "log"),
    [
        ("lost", GOOD[:-1], DEAD, LOG),
        ("lost", GOOD, [], LOG),
        ("doubled", GOOD, [*DEAD, *DEAD], LOG),
        ("doubled", GOOD, DEAD, [*LOG, replace(LOG[3], offset=9)]),
        ("invented", [*GOOD, _request(9, at=7.0)], DEAD, LOG),
        ("repeat", [*GOOD, _request(3, at=7.0)], DEAD, LOG),
        ("repeat", [GOOD[0], GOOD[1], replace(GOOD[1], arrived_s=2.3), *GOOD[2:]], DEAD, LOG),
        ("overtaking", [*GOOD[:2], GOOD[3], GOOD[2], *GOOD[4:]], DEAD, LOG),
        ("overtaking", [*GOOD[:4], GOOD[5], GOOD[4]], DEAD, LOG),
        ("overtaking", [GOOD[5], *GOOD[:5]], DEAD, LOG),
        ("early", [*GOOD[:2], replace(GOOD[2], arrived_s=2.4), *GOOD[3:]], DEAD, LOG),
    ],
)
def test_each_fault_is_seen(
    fault: str, requests: list[Delivery], dead: list[tuple[str, str]], log: list[Logged]
) -> None:
    """One thing wrong turns exactly its question red."""
    assert _faults(requests, dead, log) == {fault}


def test_a_broken_connection_may_be_tried_again_at_once() -> None:
    """Nobody knows what came of it; one more request under the same number is no fault."""
    broken = replace(GOOD[1], status=HANG_UP)

    assert _faults([GOOD[0], broken, *GOOD[1:]], DEAD, LOG) == set()


def test_a_repeat_is_excused_only_by_a_fault_around_the_first_request() -> None:
    """A crash may repeat what was answered shortly before it, not what was long since."""
    run = Run(LOG, DEAD, [*GOOD, _request(0, at=8.0)], subscription_at={"p": "sub"})

    assert run.unexcused([Window(0.5, 7.0)]) == []
    assert len(run.unexcused([Window(4.0, 7.0)])) == 1
