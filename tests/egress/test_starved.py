"""Test that what this host lacks is nobody's fault, with the real thing lacking."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.egress.starved import AT_ONCE
from tests.egress.test_namespace import require_namespace

ROOT = Path(__file__).parents[2]
IN_A_NETWORK_OF_ITS_OWN = ("unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$0" "$@"')


def _outcomes(lack: str, *before: str) -> list[str]:
    ran = subprocess.run(
        [*before, sys.executable, "-m", "tests.egress.starved", lack],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return list(json.loads(ran.stdout))


def test_a_process_without_descriptors_charges_nobody() -> None:
    """Who got one is delivered, the others and look-ups are a fault of ours; then all is well."""
    *first, named, later = _outcomes("descriptors")

    counted = Counter(first)
    assert set(counted) == {"delivered", "local_fault"}
    assert counted["local_fault"] >= AT_ONCE // 4
    assert (named, later) == ("local_fault", "delivered")


def test_a_host_without_ports_charges_nobody() -> None:
    """The range of local ports is used up, then wide again."""
    require_namespace()

    first, later, *_ = _outcomes("ports", *IN_A_NETWORK_OF_ITS_OWN)

    assert (first, later) == ("local_fault", "delivered")


def test_a_name_server_that_is_gone_charges_nobody() -> None:
    """Addresses are reached meanwhile."""
    assert _outcomes("resolver") == ["local_fault", "delivered"]
