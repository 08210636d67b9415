"""The table of all calls."""

from gateway.metrics import ROUTES as GROUPS
from gateway.problems import Code
from gateway.routes import ROUTES


def test_every_call_is_there_once() -> None:
    """By operation, and by method and path."""
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_every_call_is_measured() -> None:
    """The labels of the metric are a closed set."""
    assert {route.group for route in ROUTES} <= set(GROUPS)


def test_every_call_but_the_documents_needs_a_scope() -> None:
    """A route that somebody adds without one must be seen here."""
    assert {route.path for route in ROUTES if route.scope is None} <= {
        "/openapi.json",
        "/docs",
        "/docs/{file}",
    }


def test_what_can_be_conditional_can_mismatch() -> None:
    """And what names a resource by its id can be missing."""
    for route in ROUTES:
        assert ("If-Match" in route.headers) == (Code.VERSION_MISMATCH in route.problems)
        if "{subscription}" in route.path or "{key}" in route.path:
            assert Code.NOT_FOUND in route.problems
