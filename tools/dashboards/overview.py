"""Are users well, and does everything flow?"""

from tools.dashboards.model import Dashboard, Panel, Row, Target
from tools.dashboards.queries import grown, quantiles, rate, share_within, total, worst

EVENTS = "hooklane_ingest_events_total"
REQUESTS = "hooklane_ingest_request_duration_seconds"
INGEST_ROUTES = 'route=~"events|batch"'
OWN_DELAY = "hooklane_delivery_own_delay_seconds"


def _objective(title: str, description: str, expr: str, target: float) -> Panel:
    return Panel(
        title,
        f"{description} Red below the objective of {target:.4g}.",
        "percentunit",
        (Target(expr),),
        kind="stat",
        thresholds=((None, "red"), (target, "green")),
        decimals=3,
    )


OBJECTIVES = Row(
    "Objectives, over the time shown",
    (
        _objective(
            "Events accepted",
            "Share of the events that should have been accepted, and were.",
            f"""1 - {grown(EVENTS, 'result="unavailable"')} """
            f"""/ {grown(EVENTS, 'result=~"accepted|unavailable"')}""",
            0.9995,
        ),
        _objective(
            "Ingest within 250 ms",
            "Share of the requests with events that were answered within 250 ms.",
            share_within(REQUESTS, "0.25", INGEST_ROUTES),
            0.99,
        ),
        _objective(
            "First attempts within 30 s",
            "Share of the first attempts that began within 30 s, of those whose receiver was free.",
            share_within(OWN_DELAY, "30.0"),
            0.999,
        ),
        Panel(
            "Processes",
            "How many of each service are scraped, by version.",
            "short",
            (
                Target(
                    total("hooklane_build_info", by="service, version"), "{{service}} {{version}}"
                ),
            ),
            kind="stat",
        ),
    ),
    columns=4,
)
FLOW = Row(
    "Flow",
    (
        Panel(
            "Events in, by result",
            "Events a second over HTTP. `unavailable` is ours, the others are the producers'. "
            "Events produced to Kafka directly show in the fan-out only.",
            "cps",
            (Target(rate(EVENTS, by="result"), "{{result}}"),),
            is_stacked=True,
        ),
        Panel(
            "Ingest latency",
            "Requests with events, from head to answer. Most of it waits for the brokers.",
            "s",
            quantiles(REQUESTS, INGEST_ROUTES),
        ),
        Panel(
            "Attempts by outcome",
            "Attempts a second. Only `delivered` is a success.",
            "cps",
            (Target(rate("hooklane_delivery_attempts_total", by="outcome"), "{{outcome}}"),),
            is_stacked=True,
        ),
        Panel(
            "First attempt delay",
            "From acceptance to the first attempt, of all deliveries: those behind a failed one or "
            "a slow receiver, too.",
            "s",
            quantiles("hooklane_delivery_first_attempt_delay_seconds"),
        ),
        Panel(
            "Acceptance to delivery",
            "Of what was delivered, retries and all.",
            "s",
            quantiles("hooklane_delivery_end_to_end_seconds"),
        ),
        Panel(
            "Dead letters by reason",
            "Deliveries given up, a second.",
            "cps",
            (Target(rate("hooklane_dead_letters_total", by="reason"), "{{reason}}"),),
            is_stacked=True,
        ),
    ),
)
WAITING = Row(
    "What is due and waits",
    (
        Panel(
            "Records not yet read",
            "Of `events` by the fan-out, of `deliveries` by the deliverers. All of it is due.",
            "short",
            (Target(total("hooklane_consumer_lag_records", by="topic"), "{{topic}}"),),
        ),
        Panel(
            "Retries past their time",
            "By delay topic. What waits there for its time is not counted.",
            "short",
            (Target(total("hooklane_retry_due_records", by="tier"), "{{tier}}"),),
            is_stacked=True,
        ),
        Panel(
            "Oldest delivery in a lane",
            "Days when a receiver is down for days: then it is the receiver's.",
            "s",
            (Target(worst("hooklane_lane_oldest_seconds", by="instance"), "{{instance}}"),),
        ),
    ),
)

OVERVIEW = Dashboard(
    uid="hooklane-overview",
    title="hooklane / Overview",
    description="Are users well, and does everything flow?",
    rows=(OBJECTIVES, FLOW, WAITING),
)
