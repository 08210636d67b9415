"""Which partitions of `events` retention endangers."""

from fanout.retention import Behind, endangered


def test_a_partition_is_endangered_from_its_committed_offset_on() -> None:
    """An event that was read but not committed is read again by a successor."""
    assert endangered(7, [8]) == [Behind(7)]
    assert endangered(7, [7]) == [None]


def test_what_is_kept_for_ever_is_never_endangered() -> None:
    """Nothing is safe from nothing."""
    assert endangered(0, [None]) == [None]


def test_somebody_is_told_to_find_out_why() -> None:
    """A lane is nobody's here."""
    assert "hooklane doctor" in Behind(7).remedy
    assert (Behind(7).marks, Behind(7).lane) == (1, None)
