"""How the processes themselves are."""

from tools.dashboards.model import Dashboard, Panel, Row, Target
from tools.dashboards.queries import of, quantile, rate, worst

EACH = "{{job}} {{instance}}"
BY = "job, instance"

LOOP = Row(
    "Process",
    (
        Panel(
            "Event loop lag, p99",
            "How late one timer of a hundred runs. Above 0.5 s probes and heartbeats suffer.",
            "s",
            (Target(quantile(0.99, "hooklane_event_loop_lag_seconds", by=BY), EACH),),
        ),
        Panel(
            "CPU",
            "Cores used; a process can use one.",
            "short",
            (Target(rate("process_cpu_seconds_total", by=BY), EACH),),
        ),
        Panel(
            "Memory",
            "Resident; bounded whatever the backlog.",
            "bytes",
            (Target(worst("process_resident_memory_bytes", by=BY), EACH),),
        ),
        Panel(
            "File descriptors",
            "Share of what the process may have open.",
            "percentunit",
            (Target(f"{of('process_open_fds')} / {of('process_max_fds')}", EACH),),
        ),
        Panel(
            "Garbage collections",
            "A second, all generations.",
            "cps",
            (Target(rate("python_gc_collections_total", by=BY), EACH),),
        ),
        Panel(
            "Uptime",
            "Since the process started; a saw is a crash loop.",
            "s",
            (Target(f"time() - {of('process_start_time_seconds')}", EACH),),
        ),
    ),
)
FRESHNESS = Row(
    "What it knows",
    (
        Panel(
            "Registry lag",
            "Since a broker answered the registry's reader. Above 60 s changes are not heard.",
            "s",
            (Target(worst("hooklane_registry_lag_seconds", by=BY), EACH),),
        ),
        Panel(
            "Registry records",
            "In memory: all for a gateway, those of its partitions for the others.",
            "short",
            (Target(worst("hooklane_registry_records", by=BY), EACH),),
        ),
        Panel(
            "Clock skew",
            "The brokers' clock minus ours.",
            "s",
            (Target(f"abs({of('hooklane_clock_skew_seconds')})", EACH),),
        ),
        Panel(
            "Waiting to start",
            "1 while a process waits for brokers or topics.",
            "short",
            (Target(worst("hooklane_start_waiting", by=f"{BY}, on"), f"{EACH} {{{{on}}}}"),),
        ),
        Panel(
            "Bounds met by the gateway",
            "How often a limit refused or delayed something, a second.",
            "cps",
            (Target(rate("hooklane_gateway_limit_hits_total", by="limit"), "{{limit}}"),),
        ),
        Panel(
            "Scrape time",
            "How long Prometheus waits for /metrics.",
            "s",
            (Target(worst("scrape_duration_seconds", by=BY), EACH),),
        ),
    ),
)

RUNTIME = Dashboard(
    uid="hooklane-runtime",
    title="hooklane / Runtime",
    description="How the processes themselves are.",
    rows=(LOOP, FRESHNESS),
)
