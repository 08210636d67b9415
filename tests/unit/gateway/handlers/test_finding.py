"""What handlers look up first."""

import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import make_mocked_request

from gateway.handlers.finding import (
    condition_of,
    find_current,
    find_subscription,
    require_existing,
    require_version,
)
from gateway.preconditions import parse_if_match
from gateway.problems import Code, RefusedError
from gateway.registry import Registry
from tests.contract.gateway import SEALED, raw_record
from tests.fakes.gateway import MemoryRegistry


def request_for(subscription: str, **headers: str) -> web.Request:
    """Make a request whose path names a subscription of acme."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    place = {"subscriber": "acme", "subscription": subscription}
    return make_mocked_request("GET", "/", headers=sent, match_info=place)


@pytest.fixture
def registry() -> Registry:
    """Give one with `sub_1`, and `sub_2` that no key opens."""
    made = MemoryRegistry()
    made.put(raw_record("sub_1"), SEALED)
    key = b"acme/subscription/sub_2"
    stored = made.stored[b"acme/subscription/sub_1"]
    made.topic.apply(key, stored.value.replace(b"sub_1", b"sub_2"))
    return made


def test_a_subscription_is_found_with_what_is_sealed(registry: Registry) -> None:
    """In its version only."""
    request = request_for("sub_1")

    current = find_current(request, registry, condition_of(request))

    assert (current.record.id, current.sealed) == ("sub_1", SEALED)


@pytest.mark.parametrize(
    ("subscription", "condition", "code"),
    [
        ("sub_9", "*", Code.NOT_FOUND),
        ("sub_1", '"2"', Code.VERSION_MISMATCH),
        ("sub_2", "*", Code.CONFLICT),
        ("sub_1", "2", Code.INVALID_REQUEST),
    ],
)
def test_what_is_in_the_way_is_told(
    registry: Registry, subscription: str, condition: str, code: Code
) -> None:
    """Missing, another version, sealed away, or a header that is none."""
    request = request_for(subscription, If_Match=condition)

    with pytest.raises(RefusedError) as refused:
        find_current(request, registry, condition_of(request))

    assert refused.value.problem.code is code


def test_one_that_no_key_opens_is_found_all_the_same(registry: Registry) -> None:
    """It can be shown and deleted."""
    assert find_subscription(request_for("sub_2"), registry).record.id == "sub_2"


@pytest.mark.parametrize("value", ["*", '"1"'])
def test_any_condition_fails_for_what_does_not_exist(value: str) -> None:
    """RFC 9110: `*` asks that there is something."""
    condition = parse_if_match(value)
    assert condition is not None
    with pytest.raises(RefusedError):
        require_existing(request_for("sub_1", If_Match=value), condition)


def test_no_condition_holds_always() -> None:
    """For what exists in whatever version, and for what does not."""
    request = request_for("sub_1")
    assert hdrs.IF_MATCH not in request.headers

    require_existing(request, condition_of(request))
    require_version(condition_of(request), 7)
