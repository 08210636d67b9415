"""Look at the topics, at how far behind the groups are, and at the clock."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis import topics
from chassis.topics import Difference, TopicRefused
from hooklane.doctor.findings import Finding, fail, ok, warn
from schemas.topics import TopicPlan

SKEW_MS_MAX: Final = 2_000
GROUP_INPUTS: Final = {"fanout": "events", "deliverer": "deliveries"}
"""What each group commits offsets of; the deliverer's retries are its own affair."""


async def judge_topics(admin: AIOKafkaAdminClient, plans: Sequence[TopicPlan]) -> list[Finding]:
    """Compare the topics with the plan, and look whether every partition has its replicas."""
    try:
        differences = await topics.inspect(admin, plans)
    except TopicRefused as error:
        return [fail("topics", str(error), "grant Describe and DescribeConfigs on the topics")]
    findings = [_judged(one) for one in differences]
    findings += _replicas(await admin.describe_topics(None), {plan.name for plan in plans})
    if not any(one.status == "fail" for one in findings):
        partitions = plans[0].partitions
        findings.insert(0, ok("topics", f"{len(plans)} topics with {partitions} partitions each"))
    return findings


def _judged(difference: Difference) -> Finding:
    check = f"topic {difference.topic}"
    seen = str(difference).removeprefix(f"{difference.topic} ")
    if difference.what == "missing":
        advice = "run `hooklane topics apply`, or grant Describe if it exists"
        return fail(check, seen, advice)
    if difference.what == "partitions":
        return fail(
            check,
            seen,
            "set HOOKLANE_TOPICS__PARTITIONS to what all topics have, or make this one anew",
        )
    advice = "alter the topic; `hooklane topics plan` shows all differences"
    make = fail if difference.is_fatal else warn
    return make(check, seen, advice)


def _replicas(layouts: Sequence[Mapping[str, object]], ours: set[str]) -> list[Finding]:
    """Name topics with partitions that nobody leads, or that lack replicas now."""
    findings = []
    for layout in layouts:
        name, partitions = str(layout["topic"]), layout["partitions"]
        if name not in ours or not isinstance(partitions, list):
            continue
        leaderless = [one["partition"] for one in partitions if one["leader"] < 0]
        short = [one["partition"] for one in partitions if len(one["isr"]) < len(one["replicas"])]
        if leaderless:
            seen = f"partitions {_some(leaderless)} have no leader"
            findings.append(fail(f"topic {name}", seen, "bring the brokers that hold them back"))
        elif short:
            seen = f"partitions {_some(short)} lack in-sync replicas"
            findings.append(warn(f"topic {name}", seen, "see whether a broker is down or slow"))
    return findings


async def judge_lag(
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    *,
    service: str,
    plan: TopicPlan,
    group: str,
) -> Finding:
    """Say how many records a group has not finished."""
    places = [TopicPartition(plan.name, number) for number in range(plan.partitions)]
    committed = await admin.list_consumer_group_offsets(group, partitions=places)
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    lags = []
    for place in places:
        offset = committed[place].offset if place in committed else -1
        lags.append(max(0, ends[place] - max(offset, begins[place])))
    check = f"lag {service}"
    if not any(lags):
        return ok(check, "nothing waits")
    behind = sum(1 for lag in lags if lag)
    return ok(check, f"{sum(lags)} records wait on {behind} of {len(lags)} partitions")


def judge_clock(newest_ms: int | None, now_ms: int) -> Finding:
    """Compare our clock with the newest time that a broker gave a record."""
    if newest_ms is None:
        return ok("clock", "no record to compare with yet")
    ahead_ms = newest_ms - now_ms
    if ahead_ms > SKEW_MS_MAX:
        seen = f"at least {ahead_ms / 1000:.1f} s behind the brokers"
        return fail("clock", seen, "synchronise the clocks (NTP): signatures carry the time")
    return ok("clock", "no broker's record lies in our future")


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{shown} …" if len(numbers) > 5 else shown  # noqa: PLR2004 - as many as are shown
