"""The composition root."""

import pytest

from chassis.admin import AdminServer
from chassis.metrics import LoopLag
from chassis.preconditions import Preconditions
from chassis.settings import load
from gateway.publish import BatchingPublisher
from gateway.registry_reader import RegistryReader
from gateway.server import HttpServer
from gateway.service import build, fresh_id, main
from gateway.settings import GatewaySettings
from gateway.tombstones import Tombstones
from tests.unit.gateway.test_settings import GOOD


async def test_intake_starts_last_and_probes_first() -> None:
    """Nothing is accepted before it can be written; probes are answered meanwhile."""
    components = build(load(GatewaySettings, GOOD))

    assert [type(component) for component in components] == [
        AdminServer,
        LoopLag,
        Preconditions,
        RegistryReader,
        Tombstones,
        BatchingPublisher,
        HttpServer,
    ]


def test_ids_are_fresh_and_sort_by_time() -> None:
    """Lists are ordered by them."""
    ids = [fresh_id("sub") for _ in range(100)]

    assert ids == sorted(set(ids))
    assert all(one.startswith("sub_") and len(one) == 30 for one in ids)


def test_the_command_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m gateway --version` needs no settings."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("hooklane ")
