"""Test with real sockets on forbidden addresses, in a network namespace of the test's own."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hooklane.surroundings import environ
from tests.egress.inside import ALIASES, INNER, PROXY_PORT, PUBLIC

ROOT = Path(__file__).parents[2]


@cache
def _missing() -> str | None:
    """Say why no namespace can be made here, or None."""
    try:
        made = subprocess.run(
            ["unshare", "-n", "ip", "link", "set", "lo", "up"],
            capture_output=True,
            check=False,
            text=True,
        )
    except FileNotFoundError as error:
        return f"no {error.filename}"
    return made.stderr.strip() if made.returncode else None


def require_namespace() -> None:
    """Skip the test where no network namespace can be made; in CI that is a failure."""
    if missing := _missing():
        if environ().get("CI") == "true":
            pytest.fail(f"network namespaces are needed in CI: {missing}")
        pytest.skip(f"needs a network namespace (root, unshare, ip): {missing}")


def _seen(loop: str, home: Path) -> Any:
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    (home / ".netrc").write_text("default login stolen password stolen\n")
    poisoned = {
        "HOME": str(home), "NETRC": str(home / ".netrc"), "NO_PROXY": "", "no_proxy": "",
        "http_proxy": proxy, "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy,
        "ALL_PROXY": proxy, "all_proxy": proxy,
    }  # fmt: skip
    ran = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.egress.inside", loop],
        cwd=ROOT,
        env={**environ(), **poisoned},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_packet_reaches_a_forbidden_address(loop: str, tmp_path: Path) -> None:
    """Listeners wait on all of them: only the public ones are ever reached (B102, B103, B113).

    The environment is full of proxies and logins for other clients; none is used (B115).
    """
    require_namespace()

    seen = _seen(loop, tmp_path)

    for address in [*INNER, *ALIASES]:
        assert seen["outcomes"][f"{address} as literal"] == "blocked", address
        assert seen["outcomes"][f"{address} as name"] == "blocked", address
    assert seen["outcomes"]["mixed"] == "blocked"
    for address in PUBLIC:
        assert seen["outcomes"][f"{address} as literal"] == "delivered"
        assert seen["outcomes"][f"{address} as name"] == "delivered"
    assert seen["accepted"] == dict.fromkeys(PUBLIC, 2)
    assert seen["proxied"] == {}
    assert all("authorization" not in head.lower() for head in seen["heads"])
