"""Who handles what."""

from gateway.intake import Intake
from gateway.limits import EventLimits
from gateway.metrics import GatewayMetrics
from gateway.routes import ROUTES
from gateway.sending import EventsTopic
from gateway.wiring import Bounds, access_of, express_of, handlers_of, rules_of
from tests.fakes.gateway_api import GatewayApi
from tests.fakes.tracing import Traces


def test_every_operation_of_the_table_has_its_own_handler() -> None:
    """No more and no less: the router would fail at start, or never call one."""
    api = GatewayApi()
    bounds = Bounds(EventsTopic("events", 12), EventLimits(1, 1, 1.0), Intake(1, 1))

    metrics = GatewayMetrics(api.fresh_instruments())
    handlers = handlers_of(api.ports, bounds, metrics, rules_of(api.ports, metrics))

    assert set(handlers) == {route.operation for route in ROUTES}
    assert len(set(handlers.values())) == len(ROUTES)
    assert access_of(api.ports, "k" * 32) is not None


def test_there_is_no_short_way_under_tracing() -> None:
    """It makes no spans, and each request of a traced gateway has one."""
    for tracing in (None, Traces().tracing):
        api = GatewayApi(tracing=tracing)
        bounds = Bounds(EventsTopic("events", 12), EventLimits(1, 1, 1.0), Intake(1, 1))
        metrics = GatewayMetrics(api.fresh_instruments())
        access = access_of(api.ports, "k" * 32)

        express = express_of(
            api.ports,
            bounds,
            metrics,
            rules=rules_of(api.ports, metrics),
            access=access,
            log=api.log,
        )

        assert (express is None) is (tracing is not None)
