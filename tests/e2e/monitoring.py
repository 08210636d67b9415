"""A real Prometheus that scrapes a stack each second, and traffic with everything in it."""

import asyncio
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiokafka import AIOKafkaProducer

from schemas.topics import partition_of
from tests.e2e.receiver import Delivery, Receiver
from tests.e2e.stack import Service, Stack, eventually
from tests.ports import free_port

RULES = Path(__file__).parents[2] / "helm" / "hooklane" / "files" / "alerts"
NAMESPACE = "hooks"
SUBSCRIBERS = tuple(f"tenant{number}" for number in range(8))

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels, and points of (seconds, value)."""


@dataclass
class PrometheusServer:
    """The program, its port and where it lies; scrapes and judges rules once a second."""

    program: Path
    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self, services: list[Service]) -> None:
        """Begin to scrape these services, as the chart would have it."""
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [f"{RULES}/*.yaml"],
            "scrape_configs": [
                {
                    "job_name": f"hooklane-{name}",
                    "static_configs": [
                        {
                            "targets": [
                                f"127.0.0.1:{one.admin_port}"
                                for one in services
                                if one.name == name
                            ],
                            "labels": {"namespace": NAMESPACE},
                        }
                    ],
                }
                for name in {one.name: None for one in services}
            ],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        with (self.folder / "prometheus.log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(self.program),
                f"--config.file={path}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        await eventually(self._is_ready, within_s=30, what="Prometheus ready")

    async def stop(self) -> None:
        """End the process."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def ask(self, path: str, **parameters: str) -> Any:
        """Call the API; gives `data`, raises AssertionError with what Prometheus says."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params=parameters) as answer,
        ):
            said = await answer.json()
        assert said["status"] == "success", f"{parameters}: {said}"
        return said["data"]

    async def value(self, expr: str) -> list[Series]:
        """Ask for now."""
        found = await self.ask("query", query=expr)
        if found["resultType"] == "scalar":
            return [({}, [_point(found["result"])])]
        return [(one["metric"], [_point(one["value"])]) for one in found["result"]]

    async def values(
        self, expr: str, *, start: float, end: float, step_s: float = 1
    ) -> list[Series]:
        """Ask for a range of time."""
        found = await self.ask(
            "query_range", query=expr, start=str(start), end=str(end), step=str(step_s)
        )
        return [
            (one["metric"], [_point(pair) for pair in one["values"]]) for one in found["result"]
        ]

    async def now_s(self) -> float:
        """Return the time on Prometheus' own clock."""
        [(_, [(_, now)])] = await self.value("time()")
        return now

    async def _is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/-/ready") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def has_data(found: list[Series]) -> bool:
    """Ask whether there is a number in it; NaN is none."""
    return any(math.isfinite(value) for _, points in found for _, value in points)


def filled_in(expr: str, *, interval_s: int, range_s: int) -> str:
    """Put values in for Grafana's variables: everything chosen."""
    chosen: Mapping[str, str] = {
        "$__rate_interval": f"{interval_s}s",
        "$__range": f"{range_s}s",
        "$namespace": ".*",
        "$job": ".+",
        "$instance": ".+",
    }
    for name, value in chosen.items():
        expr = expr.replace(name, value)
    return expr


class Traffic:
    """Subscriptions of every temper, and events for them all until it is stopped."""

    def __init__(self, stack: Stack, receiver: Receiver) -> None:
        self._stack = stack
        self._receiver = receiver
        self.is_down = False
        """While true every receiver fails."""

    async def subscribe(self) -> None:
        """One well and one flaky receiver a tenant; some that fail, throttle, hang or give up."""
        self._receiver.answers |= {
            "flaky": lambda one: 500 if one.attempt == 1 and one.sequence % 3 == 0 else 204,
            "dead": lambda _: 503,
            "throttled": lambda one: 429 if one.attempt == 1 else 204,
            "gone": lambda _: 410,
        }
        soon = {"schedule_s": [0.5, 1, 2]}
        for subscriber in SUBSCRIBERS:
            self._receiver.answers[f"well/{subscriber}"] = self._well
            await self._add(subscriber, f"well/{subscriber}")
            await self._add(subscriber, "flaky", ordering="none", retry=soon)
        await self._add(SUBSCRIBERS[0], "dead", retry={"schedule_s": [0.2]})
        await self._add(SUBSCRIBERS[1], "throttled", retry=soon)
        await self._add(SUBSCRIBERS[2], "gone", retry=soon)
        await self._add(SUBSCRIBERS[3], "well/rate", rate_limit={"per_second": 5})

    async def run(self, *, per_s: float, seconds: float) -> None:
        """Publish at a pace, a refused event among ten, for so long."""
        rounds = max(1, round(seconds * per_s / len(SUBSCRIBERS)))
        for number in range(rounds):
            batch = [
                {"subscriber": one, "type": "order.paid", "data": {"n": secrets.token_hex(4)}}
                for one in SUBSCRIBERS
            ]
            await self._stack.api("POST", "/v1/events/batch", json=batch)
            await self._stack.publish(SUBSCRIBERS[number % len(SUBSCRIBERS)], {"n": number})
            if number % 10 == 0:
                await self._stack.api("POST", "/v1/events", json={"subscriber": "x", "type": ""})
            await asyncio.sleep(len(SUBSCRIBERS) / per_s)

    async def quarantine_one(self) -> None:
        """Produce a record that is no event, as a careless producer would."""
        producer = AIOKafkaProducer(bootstrap_servers=self._stack.bootstrap_servers)
        await producer.start()
        try:
            key = SUBSCRIBERS[0].encode()
            await producer.send_and_wait(
                f"{self._stack.prefix}.events",
                b"not an event",
                key=key,
                partition=partition_of(key, self._stack.partitions),
            )
        finally:
            await producer.stop()

    async def _add(self, subscriber: str, path: str, **fields: Any) -> None:
        await self._stack.subscribe(subscriber, self._receiver.url(path), **fields)

    def _well(self, _delivery: Delivery) -> int:
        return 503 if self.is_down else 204


def server(program: Path, folder: Path) -> PrometheusServer:
    """Make a server on a free port."""
    return PrometheusServer(program, folder, free_port())
