"""Tests of the ports that tests are given."""

from hooklane.kafka_properties import PORTS
from tests.ports import free_port, share_of


def test_no_port_is_given_twice() -> None:
    """Drawn at random, some of so many would be the same."""
    given = [free_port() for _ in range(500)]

    assert len(set(given)) == 500


def test_workers_draw_from_parts_of_their_own() -> None:
    """What one may get, the other never gets."""
    drawn = [{share_of(worker, 2)(10) for _ in range(200)} for worker in (0, 1)]

    assert drawn == [set(range(5)), set(range(5, 10))]
    assert share_of(63, 64)(len(PORTS)) < len(PORTS)
