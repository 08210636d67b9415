"""The lease of C6."""

from deliverer.lease import Lease


def test_a_lease_lasts_ten_seconds_from_its_proof() -> None:
    """Exactly ten seconds are still fresh, more are not."""
    lease = Lease(100.0)

    assert lease.is_fresh(110.0)
    assert not lease.is_fresh(110.1)


def test_a_later_proof_renews_and_an_earlier_one_does_not_shorten() -> None:
    """Ticks may end in any order of their beginnings; the latest counts."""
    lease = Lease(100.0)

    lease.prove(105.0)
    lease.prove(101.0)

    assert lease.is_fresh(115.0)


def test_a_registry_is_silent_after_three_seconds() -> None:
    """Beyond that a disable could have been missed."""
    assert Lease.is_registry_fresh(3.0)
    assert not Lease.is_registry_fresh(3.1)
