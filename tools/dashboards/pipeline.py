"""From event to attempt: where does it wait?"""

from tools.dashboards.model import Dashboard, Panel, Row, Target
from tools.dashboards.queries import of, quantile, quantiles, rate, total, worst

LAG = "hooklane_consumer_lag_records"
ATTEMPTS = "hooklane_delivery_attempts_total"
COMMITS = "hooklane_commits_total"
ASSIGNED = "hooklane_partitions_assigned"
RUNNING = "hooklane_partitions_running"
TAKEOVERS_FAILED = "hooklane_takeovers_failed_total"

STAGES = Row(
    "Stages",
    (
        Panel(
            "Records a second, by stage",
            "Accepted over HTTP, fanned out, written as deliveries, tried for the first time. A "
            "stage that falls behind the one before it is where to look.",
            "cps",
            (
                Target(rate("hooklane_ingest_events_total", 'result="accepted"'), "accepted"),
                Target(rate("hooklane_fanout_events_total"), "fanned out"),
                Target(rate("hooklane_fanout_deliveries_total"), "deliveries"),
                Target(rate(ATTEMPTS, 'kind="first"'), "first attempts"),
            ),
        ),
        Panel(
            "Events by what became of them",
            "Duplicates were seen within the dedupe window; quarantined ones break the contract.",
            "cps",
            (Target(rate("hooklane_fanout_events_total", by="result"), "{{result}}"),),
            is_stacked=True,
        ),
        Panel(
            "Fan-out delay",
            "From acceptance of an event to its committed deliveries.",
            "s",
            quantiles("hooklane_fanout_delay_seconds"),
        ),
        Panel(
            "Backlog in seconds",
            "How long the present pace needs for what is not read yet. Above 300 somebody is told.",
            "s",
            (
                Target(
                    f"""{total(LAG, 'topic="events"')} / {rate("hooklane_fanout_events_total")}""",
                    "events",
                ),
                Target(
                    f"""{total(LAG, 'topic="deliveries"')} / {rate(ATTEMPTS, 'kind!="retry"')}""",
                    "deliveries",
                ),
            ),
        ),
        Panel(
            "Records not yet read, by process",
            "One process far above the others: one partition, usually one subscriber.",
            "short",
            (Target(total(LAG, by="topic, instance"), "{{topic}} {{instance}}"),),
        ),
        Panel(
            "First attempts: ours and all",
            "p99 of the delay. `ours` leaves out what waited for its receiver.",
            "s",
            (
                Target(quantile(0.99, "hooklane_delivery_own_delay_seconds"), "ours"),
                Target(quantile(0.99, "hooklane_delivery_first_attempt_delay_seconds"), "all"),
            ),
        ),
    ),
)
TRANSACTIONS = Row(
    "Transactions and groups",
    (
        Panel(
            "Transactions by end",
            "Lost ones are done again from the last commit.",
            "cps",
            (Target(rate(COMMITS, by="job, result"), "{{job}} {{result}}"),),
        ),
        Panel(
            "Transaction time, p99",
            "From its begin to its commit; slow brokers show here first.",
            "s",
            (Target(quantile(0.99, "hooklane_commit_duration_seconds", by="job"), "{{job}}"),),
        ),
        Panel(
            "Assignments of partitions",
            "By the consumer groups, in each interval.",
            "short",
            (
                Target(
                    f"sum by (job) (increase({of('hooklane_rebalances_total')}[$__rate_interval]))",
                    "{{job}}",
                ),
            ),
        ),
        Panel(
            "Held up by an open transaction",
            "For how long acknowledged events have waited behind a producer's. Above 5 s "
            "somebody is told.",
            "s",
            (
                Target(
                    worst("hooklane_fanout_held_by_transaction_seconds", by="instance"),
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Partitions that nobody works on",
            "A process was given them and has not taken them over. More than seconds is a fault.",
            "short",
            (Target(f"{of(ASSIGNED)} - {of(RUNNING)}", "{{job}} {{instance}}"),),
        ),
        Panel(
            "Failed takeovers",
            "In each interval; each is tried again.",
            "short",
            (
                Target(
                    f"sum by (job) (increase({of(TAKEOVERS_FAILED)}[$__rate_interval]))", "{{job}}"
                ),
            ),
        ),
    ),
)
DELIVERY = Row(
    "Lanes and retries",
    (
        Panel(
            "Lanes by state",
            "Held: the head waits for its retry. Lagging: fed from the log again.",
            "short",
            (Target(total("hooklane_lanes", by="state"), "{{state}}"),),
            is_stacked=True,
        ),
        Panel(
            "Attempts in flight",
            "And how many there may be.",
            "short",
            (
                Target(total("hooklane_delivery_in_flight"), "in flight"),
                Target(total("hooklane_delivery_in_flight_limit"), "limit"),
            ),
        ),
        Panel(
            "Records read again",
            "A second, for lanes that lag: what a backlog of some costs.",
            "cps",
            (Target(rate("hooklane_sweep_read_records_total", by="instance"), "{{instance}}"),),
        ),
        Panel(
            "Retries scheduled, by tier",
            "Deliveries appended to a delay topic, a second.",
            "cps",
            (Target(rate("hooklane_retry_scheduled_total", by="tier"), "{{tier}}"),),
            is_stacked=True,
        ),
        Panel(
            "Retries past their time, by tier",
            "They wait for their lane, a limit, or a slot.",
            "short",
            (Target(total("hooklane_retry_due_records", by="tier"), "{{tier}}"),),
            is_stacked=True,
        ),
        Panel(
            "Oldest retry past its time",
            "Above 600 s somebody is told.",
            "s",
            (Target(worst("hooklane_retry_oldest_due_seconds", by="tier"), "{{tier}}"),),
        ),
    ),
)
ASIDE = Row(
    "Set aside",
    (
        Panel(
            "Quarantined records",
            "They break the contract; their partition moved on.",
            "cps",
            (
                Target(
                    rate("hooklane_quarantined_total", by="stage, reason"), "{{stage}} {{reason}}"
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Schema violations and broken rules",
            "Events whose data breaks the schema of their type; filters and schemas that do not "
            "work; records of the registry that cannot be read.",
            "cps",
            (
                Target(rate("hooklane_schema_violations_total", by="mode"), "schema {{mode}}"),
                Target(rate("hooklane_fanout_rule_faults_total", by="kind"), "{{kind}}"),
                Target(rate("hooklane_registry_broken_records_total"), "registry_broken"),
            ),
        ),
        Panel(
            "Lanes that retention endangers",
            "Their oldest record is removed within 12 h. Anything above 0 is an emergency.",
            "short",
            (Target(total("hooklane_retention_endangered_lanes", by="topic"), "{{topic}}"),),
        ),
    ),
)

PIPELINE = Dashboard(
    uid="hooklane-pipeline",
    title="hooklane / Pipeline",
    description="From event to attempt: where does it wait?",
    rows=(STAGES, TRANSACTIONS, DELIVERY, ASIDE),
)
