"""What happens between us and the receivers."""

from tools.dashboards.model import Dashboard, Panel, Row, Target
from tools.dashboards.queries import of, quantile, quantiles, rate, total, worst

ATTEMPTS = "hooklane_delivery_attempts_total"
DURATION = "hooklane_delivery_duration_seconds"
CONNECTIONS = "hooklane_delivery_connections_total"

ANSWERS = Row(
    "Answers",
    (
        Panel(
            "Attempts by outcome",
            "Only `delivered` is a success.",
            "cps",
            (Target(rate(ATTEMPTS, by="outcome"), "{{outcome}}"),),
            is_stacked=True,
        ),
        Panel(
            "Share that fails",
            "Of all attempts. Above half for a quarter of an hour somebody is told.",
            "percentunit",
            (
                Target(
                    f"""1 - {rate(ATTEMPTS, 'outcome="delivered"')} / {rate(ATTEMPTS)}""", "failing"
                ),
            ),
        ),
        Panel(
            "Attempts by kind",
            "First attempts, retries, tests and replays.",
            "cps",
            (Target(rate(ATTEMPTS, by="kind"), "{{kind}}"),),
            is_stacked=True,
        ),
        Panel(
            "How long attempts take",
            "All outcomes; each column is one interval.",
            "s",
            (
                Target(
                    f"sum by (le) (increase({of(f'{DURATION}_bucket')}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            kind="heatmap",
        ),
        Panel(
            "Time of deliveries",
            "Attempts that ended with a 2xx.",
            "s",
            quantiles(DURATION, 'outcome="delivered"'),
        ),
        Panel(
            "Time by outcome, p95",
            "Timeouts stand at their limit.",
            "s",
            (Target(quantile(0.95, DURATION, by="outcome"), "{{outcome}}"),),
        ),
    ),
)
RESTRAINT = Row(
    "What holds back",
    (
        Panel(
            "Breakers",
            "Subscriptions whose breaker is open, or lets a probe go.",
            "short",
            (Target(total("hooklane_breakers", by="state"), "{{state}}"),),
        ),
        Panel(
            "Too many requests",
            "Answers 429; `Retry-After` is obeyed for the whole subscription.",
            "cps",
            (Target(rate(ATTEMPTS, 'outcome="http_429"'), "429"),),
        ),
        Panel(
            "Hosts that hold all they may",
            "Subscriptions wait for them; nobody else does.",
            "short",
            (Target(total("hooklane_delivery_hosts_full", by="instance"), "{{instance}}"),),
        ),
        Panel(
            "Shared fate",
            "1 while most receivers fail in one way: the fault seems to be ours.",
            "short",
            (Target(worst("hooklane_shared_fate", by="outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Blocked by policy",
            "Refused before a connection was made.",
            "cps",
            (Target(rate("hooklane_delivery_blocked_total", by="reason"), "{{reason}}"),),
        ),
        Panel(
            "Subscriptions that no key opens",
            "They are held back until a vault key opens them.",
            "short",
            (Target(worst("hooklane_vault_closed_subscriptions", by="instance"), "{{instance}}"),),
        ),
    ),
)
ENDS = Row(
    "Ends",
    (
        Panel(
            "Connections reused",
            "Share of the attempts that found an open connection.",
            "percentunit",
            (Target(f"""{rate(CONNECTIONS, 'reused="true"')} / {rate(CONNECTIONS)}""", "reused"),),
        ),
        Panel(
            "Dead letters by reason",
            "Deliveries given up, a second.",
            "cps",
            (Target(rate("hooklane_dead_letters_total", by="reason"), "{{reason}}"),),
            is_stacked=True,
        ),
        Panel(
            "Deliveries dropped",
            "Their subscription was disabled or deleted.",
            "cps",
            (Target(rate("hooklane_deliveries_dropped_total", by="reason"), "{{reason}}"),),
        ),
    ),
)

RECEIVERS = Dashboard(
    uid="hooklane-receivers",
    title="hooklane / Receivers",
    description="What happens between us and the receivers.",
    rows=(ANSWERS, RESTRAINT, ENDS),
)
