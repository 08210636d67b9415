"""Render `/metrics` in slices, so that a scrape never holds the event loop for long.

Not in a thread: a thread takes the interpreter from the loop for whole switch intervals (5 ms,
again and again), and reads gauges while the loop changes what they show. On the loop, other tasks
run between two slices: a family, or a part of a large one. So the longest hold is to collect the
largest family, whatever the page's length.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chassis.clock import Clock

KEPT_S = 1.0
ACCEPT_KINDS_MAX = 8
SLICE_SERIES = 60
FAMILY_SERIES_MAX = 300
"""Bound on one family, tested for every service: it is collected at once."""

_OPEN_METRICS_END = b"# EOF\n"


class _Family(Collector):
    """One family as the encoders want it."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        """Yield it."""
        yield self._metric


async def _yield() -> None:
    await asyncio.sleep(0)


class MetricsPages:
    """Render a page in slices, at most once per second and content type."""

    def __init__(
        self,
        registry: CollectorRegistry,
        clock: Clock,
        *,
        between: Callable[[], Awaitable[None]] = _yield,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._between = between
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._lock = asyncio.Lock()

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type; two that ask at once share one rendering."""
        encode, content_type = choose_encoder(accept)
        async with self._lock:
            kept = self._kept.get(content_type)
            if kept is not None and self._clock.monotonic() - kept[0] < KEPT_S:
                return kept[1], content_type
            body = await self._render(encode)
            if len(self._kept) >= ACCEPT_KINDS_MAX:
                self._kept.clear()
            self._kept[content_type] = (self._clock.monotonic(), body)
            return body, content_type

    async def _render(self, encode: Callable[[Collector], bytes]) -> bytes:
        parts = []
        is_open_metrics = False
        for metric in self._registry.collect():
            for number, part in enumerate(_parts(metric)):
                text = encode(_Family(part))
                is_open_metrics = text.endswith(_OPEN_METRICS_END)
                text = text.removesuffix(_OPEN_METRICS_END)
                parts.append(_headless(text) if number else text)
                await self._between()
        if is_open_metrics:
            parts.append(_OPEN_METRICS_END)
        return b"".join(parts)


def _parts(metric: Metric) -> Iterator[Metric]:
    """Cut a large family; each part has the header of the whole."""
    if len(metric.samples) <= SLICE_SERIES:
        yield metric
        return
    for start in range(0, len(metric.samples), SLICE_SERIES):
        part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        part.samples = metric.samples[start : start + SLICE_SERIES]
        yield part


def _headless(text: bytes) -> bytes:
    """Leave out the header: the part before has it."""
    while text.startswith(b"# "):
        text = text.partition(b"\n")[2]
    return text
