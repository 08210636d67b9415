"""When what waits for Kafka goes."""

from gateway.pace import Pace

LINGER_S = 0.005


def test_who_comes_alone_never_waits() -> None:
    """Nobody else is expected: not at first, and not after rounds of one."""
    pace = Pace(LINGER_S)
    for now_s in (1.0, 2.0, 3.0):
        pace.arrive(now_s)
        assert pace.wait_s(now_s, is_under_way=False) == 0
        pace.begin(now_s)
        pace.end(now_s + 0.001)


def test_a_round_waits_for_the_one_under_way_and_no_longer_than_the_linger() -> None:
    """A partition that is slow to be answered must not hold up the others."""
    pace = Pace(LINGER_S)
    pace.arrive(1.0)
    pace.begin(1.0)
    pace.arrive(1.001)

    assert round(pace.wait_s(1.002, is_under_way=True), 6) == 0.003
    assert pace.wait_s(1.006, is_under_way=True) == 0


def test_as_many_are_awaited_as_came_lately() -> None:
    """Those who were answered tend to come back, with those who came meanwhile."""
    pace = Pace(LINGER_S)
    for _ in range(2):
        pace.arrive(1.0)
    pace.begin(1.0)
    pace.arrive(1.001)
    pace.end(1.002)

    assert round(pace.wait_s(1.002, is_under_way=False), 6) == LINGER_S
    pace.arrive(1.003)
    assert round(pace.wait_s(1.003, is_under_way=False), 6) == 0.004
    pace.arrive(1.003)
    assert pace.wait_s(1.003, is_under_way=False) == 0


def test_who_is_expected_in_vain_is_awaited_once() -> None:
    """After a burst the first one waits for the linger, the next not at all."""
    pace = Pace(LINGER_S)
    for _ in range(5):
        pace.arrive(1.0)
    pace.begin(1.0)
    pace.end(1.001)
    pace.arrive(9.0)
    assert round(pace.wait_s(9.0, is_under_way=False), 6) == LINGER_S
    assert pace.wait_s(9.006, is_under_way=False) == 0
    pace.begin(9.006)
    pace.end(9.007)

    pace.arrive(20.0)

    assert pace.wait_s(20.0, is_under_way=False) == 0


def test_rounds_that_overlap_count_together() -> None:
    """The second one began because the first took long."""
    pace = Pace(LINGER_S)
    pace.arrive(1.0)
    pace.begin(1.0)
    pace.arrive(1.006)
    pace.begin(1.006)
    pace.end(1.007)
    pace.arrive(1.007)

    assert pace.wait_s(1.007, is_under_way=False) > 0
    pace.arrive(1.008)
    assert pace.wait_s(1.008, is_under_way=False) == 0
