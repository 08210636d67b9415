"""How old what a reader knows may be."""

from chassis.freshness import Freshness


def test_nothing_is_known_before_an_answer() -> None:
    """Then the first one counts, though nobody knows when it was asked for: there is no other."""
    heard = Freshness()

    heard.note(None)
    assert heard.known_since is None
    heard.note(100)
    assert heard.known_since == 100


def test_an_answer_counts_from_the_one_before() -> None:
    """The same one twice is one answer."""
    heard = Freshness()
    for answered_at in (100, 200, 200, None, 300):
        heard.note(answered_at)

    assert heard.known_since == 200


def test_what_a_thawed_process_finds_in_its_socket_is_no_news() -> None:
    """It was asked for before the freeze; the next one is not."""
    heard = Freshness()
    for answered_at in (100, 200, 30_000):
        heard.note(answered_at)
    assert heard.known_since == 200

    heard.note(30_005)
    assert heard.known_since == 30_000
