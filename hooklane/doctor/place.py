"""Look at the place where this runs: descriptors, names, the ways out, the service beside us."""

import asyncio
import json
import resource
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from chassis.egress_proxy import ProxyAddress
from chassis.settings import ServiceSettings
from deliverer.descriptors import RESERVED, fit
from deliverer.settings import DelivererSettings
from hooklane.doctor.findings import Finding, fail, ok, skip, warn

CONNECT_S: Final = 3.0
SAMPLE_NAME: Final = "example.com"
ANSWER_BYTES_MAX: Final = 65_536


def judge_descriptors(settings: DelivererSettings, limit: int) -> Finding:
    """Say whether the deliverer may open as many connections as it was told to make."""
    wanted = settings.deliverer.max_in_flight
    fitted = fit(limit, wanted=wanted)
    if fitted.max_in_flight < wanted:
        return warn(
            "descriptors",
            f"{limit} files allow {fitted.max_in_flight} attempts at once instead of {wanted}",
            f"raise the hard limit (ulimit -Hn) to {2 * wanted + RESERVED} or more",
        )
    return ok("descriptors", f"{limit} files are enough for {wanted} attempts at once")


def hard_limit() -> int:
    """Return how many files a process here may open at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 30 if hard == resource.RLIM_INFINITY else hard


async def judge_way_out(proxy: ProxyAddress | None) -> Finding:
    """Say whether receivers can be reached at all: by the proxy, or by looking names up."""
    if proxy is not None:
        is_there = await can_connect(proxy.host, proxy.port)
        place = f"{proxy.host}:{proxy.port}"
        if is_there:
            return ok("egress proxy", f"{place} listens")
        return fail("egress proxy", f"{place} does not answer", "check HOOKLANE_EGRESS__PROXY_URL")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            await loop.getaddrinfo(SAMPLE_NAME, 443, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        advice = "receivers cannot be looked up like this: see /etc/resolv.conf and NetworkPolicies"
        return warn("dns", f"{SAMPLE_NAME} has no address here", advice)
    return ok("dns", "public names have addresses")


async def judge_collector(endpoint: str | None) -> Finding:
    """Say whether the collector of traces listens."""
    if endpoint is None:
        return skip("tracing", "off")
    url = urlsplit(endpoint)
    port = url.port or (443 if url.scheme == "https" else 80)
    place = f"{url.hostname}:{port}"
    if await can_connect(url.hostname or "", port):
        return ok("tracing", f"{place} listens")
    advice = "spans are dropped and counted meanwhile; check HOOKLANE_TRACING__ENDPOINT"
    return warn("tracing", f"{place} does not answer", advice)


async def can_connect(host: str, port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def judge_services(
    services: dict[str, ServiceSettings], given: Sequence[str]
) -> list[Finding]:
    """Ask the readiness of the services beside us, or at the admin addresses that were given."""
    places = [(url, url.rstrip("/") + "/readyz", True) for url in given] or [
        (name, f"http://127.0.0.1:{settings.admin.port}/readyz", False)
        for name, settings in services.items()
    ]
    return [
        await asyncio.to_thread(_judge_ready, f"ready {name}", url, is_wanted)
        for name, url, is_wanted in places
    ]


def _judge_ready(check: str, url: str, is_wanted: bool) -> Finding:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_S) as answer:
            body = answer.read(ANSWER_BYTES_MAX)
    except urllib.error.HTTPError as error:
        body = error.read(ANSWER_BYTES_MAX)
    except (OSError, ValueError):
        if is_wanted:
            return fail(check, "no answer", "check the address, and that the service runs")
        return skip(check, "does not run here (--admin asks elsewhere)")
    try:
        document = json.loads(body)
        checks = document["checks"].items()
        is_ready, state = bool(document["ready"]), str(document["state"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return fail(check, "another program answers there", "check the address")
    if is_ready:
        return ok(check, "ready")
    reasons = [f"{name}: {found}" for name, found in checks if found is not True]
    return fail(check, "; ".join(reasons) or state, "see its log; /debug shows more")


def judge_gateway(url: str) -> Finding:
    """Ask the API for what needs no key."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/openapi.json", timeout=CONNECT_S) as answer:
            is_ours = b"hooklane" in answer.read(ANSWER_BYTES_MAX).lower()
    except (OSError, ValueError) as error:
        reason = type(error).__name__
        return fail("gateway", f"HOOKLANE_URL gives no answer ({reason})", "check HOOKLANE_URL")
    if not is_ours:
        return fail("gateway", "HOOKLANE_URL leads to another program", "check HOOKLANE_URL")
    return ok("gateway", "answers at HOOKLANE_URL")
