"""Tests of the table of rights."""

from hooklane.doctor.rights import NEEDS
from schemas.topics import TIERS


def test_every_service_has_its_line() -> None:
    """And only the gateway is in no group."""
    assert {name: needs.has_group for name, needs in NEEDS.items()} == {
        "gateway": False,
        "fanout": True,
        "deliverer": True,
    }
    assert all(tier.suffix in NEEDS["deliverer"].reads for tier in TIERS)
