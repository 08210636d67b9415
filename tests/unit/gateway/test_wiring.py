"""Who handles what."""

from gateway.handlers.events import EventLimits
from gateway.intake import Intake
from gateway.metrics import GatewayMetrics
from gateway.routes import ROUTES
from gateway.sending import EventsTopic
from gateway.wiring import Bounds, access_of, handlers_of
from tests.fakes.gateway_api import GatewayApi


def test_every_operation_of_the_table_has_its_own_handler() -> None:
    """No more and no less: the router would fail at start, or never call one."""
    api = GatewayApi()
    bounds = Bounds(EventsTopic("events", 12), EventLimits(1, 1, 1.0), Intake(1, 1))

    handlers = handlers_of(api.ports, bounds, GatewayMetrics(api.fresh_instruments()))

    assert set(handlers) == {route.operation for route in ROUTES}
    assert len(set(handlers.values())) == len(ROUTES)
    assert access_of(api.ports, "k" * 32) is not None
