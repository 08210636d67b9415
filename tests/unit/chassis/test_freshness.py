"""How old what a reader knows may be."""

from chassis.freshness import Freshness


def test_nothing_is_known_before_an_answer() -> None:
    """The first one was asked for after the reader began, whenever it came."""
    heard = Freshness(90)

    heard.note(None)
    assert heard.known_until is None
    heard.note(60_000)
    assert heard.known_until == 90


def test_an_answer_counts_from_the_one_before() -> None:
    """The same one twice is one answer."""
    heard = Freshness(90)
    for answered_at in (100, 200, 200, None, 300):
        heard.note(answered_at)

    assert heard.known_until == 200


def test_what_a_thawed_process_finds_in_its_socket_is_no_news() -> None:
    """It was asked for before the freeze; the next one is not."""
    heard = Freshness(90)
    for answered_at in (100, 200, 30_000):
        heard.note(answered_at)
    assert heard.known_until == 200

    heard.note(30_005)
    assert heard.known_until == 30_000


def test_a_clock_that_is_set_back_leaves_no_time_in_the_future() -> None:
    """Everything would count as fresh until it is reached."""
    heard = Freshness(90)
    for answered_at in (5_000_000, 1_000):
        heard.note(answered_at)

    assert heard.known_until == 1_000


def test_whoever_asks_often_looks_once_in_a_while() -> None:
    """Not at all while what is known is young, else every 5 ms; and at once after a jump."""
    heard = Freshness(90)
    assert [heard.wants_look(now) for now in (100, 101, 104, 105)] == [True, False, False, True]

    heard.note(100)
    heard.note(200)
    assert not heard.wants_look(600)
    assert heard.wants_look(601)
    assert not heard.wants_look(605)
    assert heard.wants_look(60_000)
    assert heard.wants_look(50_000), "the clock was set back"
