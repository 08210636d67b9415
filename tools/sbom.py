"""Write the bill of materials of the image: `python -m tools.sbom [FILE]`, `make sbom`.

CycloneDX 1.6 as JSON: every Python package that the image holds, with the version and the hashes
of the lock, its licence and who needs it. The same lock gives the same bill; the time in it is
SOURCE_DATE_EPOCH when that is set, as builds that can be repeated set it.
"""

import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from chassis.clock import SystemClock
from hooklane import surroundings
from tools.locked import CONSTRAINTS, Pin, graph, pins

ROOT = "hooklane"
EXTRAS = frozenset({"otel"})
"""What the image installs beside the services; see Dockerfile."""
OUTPUT = Path(__file__).parents[1] / "build" / "sbom.cdx.json"
NAMESPACE = uuid.UUID("6e6ff36b-f1c5-5d12-8c7f-c9c4d6a3a4e1")
LICENSE_CHARACTERS_MAX = 64


class NotLocked(Exception):
    """The product needs something that the lock does not pin; the text names it."""


def bill(lock: str, *, made_at: datetime) -> Bom:
    """Return the bill of the image that this lock makes; raises NotLocked."""
    needed = graph(ROOT, EXTRAS)
    pinned = pins(lock)
    missing = sorted(set(needed) - {ROOT} - set(pinned))
    if missing:
        raise NotLocked(f"constraints.txt does not pin {', '.join(missing)}")
    made = {name: _component(pinned[name]) for name in needed if name != ROOT}
    root = Component(
        name=ROOT,
        version=metadata(ROOT)["Version"],
        type=ComponentType.APPLICATION,
        bom_ref=ROOT,
        licenses=_licenses(ROOT),
    )
    said = "\n".join(sorted(f"{pinned[name].name}=={pinned[name].version}" for name in made))
    bom = Bom(
        components=made.values(),
        metadata=BomMetaData(component=root, timestamp=made_at),
        serial_number=uuid.uuid5(NAMESPACE, said),
    )
    for name, below in needed.items():
        owner = root if name == ROOT else made[name]
        bom.register_dependency(owner, [made[one] for one in sorted(below)])
    return bom


def _component(pin: Pin) -> Component:
    purl = PackageURL("pypi", None, pin.name, pin.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(purl.to_string()),
        comment="each file of this version that may be installed",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.hashes],
    )
    return Component(
        name=pin.name,
        version=pin.version,
        purl=purl,
        bom_ref=f"{pin.name}=={pin.version}",
        licenses=_licenses(pin.name),
        external_references=[files],
    )


def _licenses(name: str) -> Iterable[License]:
    """Return the licence that a package names; texts of whole licences are no names."""
    said = metadata(name)
    text = next((said[key] for key in ("License-Expression", "License") if key in said), "")
    if not text or len(text) > LICENSE_CHARACTERS_MAX:
        return []
    return [LicenseFactory().make_from_string(text)]


def render(bom: Bom) -> str:
    """Return the bill as CycloneDX JSON."""
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write the bill, and say where and how much."""
    output = Path(arguments[0]) if arguments else OUTPUT
    epoch = surroundings.environ().get("SOURCE_DATE_EPOCH")
    seconds = int(epoch) if epoch else SystemClock().now_ms() // 1000
    try:
        bom = bill(CONSTRAINTS.read_text(), made_at=datetime.fromtimestamp(seconds, UTC))
    except NotLocked as error:
        sys.stderr.write(f"{error}\n")
        return 1
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(render(bom))
    sys.stdout.write(f"{output}: {len(bom.components)} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
