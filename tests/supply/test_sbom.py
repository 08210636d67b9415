"""The bill of materials: valid, complete, and the same for the same lock."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import sbom
from tools.locked import CONSTRAINTS, graph, pins

MADE_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _bill() -> str:
    return sbom.render(sbom.bill(CONSTRAINTS.read_text(), made_at=MADE_AT))


def test_the_bill_is_cyclonedx() -> None:
    """CycloneDX's own strict schema accepts it, and would not accept just anything."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = _bill()
    broken = text.replace('"SHA-256"', '"SHA-257"', 1)

    assert validator.validate_str(text) is None
    assert validator.validate_str(broken) is not None


def test_the_bill_says_what_the_lock_says() -> None:
    """Each package of the image with version, licence, files and who needs it; no tool of ours."""
    bill = json.loads(_bill())
    pinned = pins(CONSTRAINTS.read_text())
    found = {one["name"]: one for one in bill["components"]}

    assert set(found) == set(graph("hooklane", frozenset({"otel"}))) - {"hooklane"}
    for name, one in found.items():
        (files,) = one["externalReferences"]
        assert one["version"] == pinned[name].version
        assert {entry["content"] for entry in files["hashes"]} == set(pinned[name].hashes)
        assert one["licenses"], name
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    aiohttp = f"aiohttp=={pinned['aiohttp'].version}"
    assert aiohttp in needs["hooklane"]
    assert f"yarl=={pinned['yarl'].version}" in needs[aiohttp]


def test_the_same_lock_gives_the_same_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, so that a build can be repeated; the time is the one that is given."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767323045")

    assert sbom.main([str(tmp_path / "a.json")]) == 0
    assert (tmp_path / "a.json").read_text() == _bill()


def test_what_is_not_locked_is_named() -> None:
    """A bill that leaves something out is worse than none."""
    lock = CONSTRAINTS.read_text().replace("\naiohttp==", "\nanother==")

    with pytest.raises(sbom.NotLocked, match=r"does not pin aiohttp$"):
        sbom.bill(lock, made_at=MADE_AT)
