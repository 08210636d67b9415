"""Instruments for what happens thousands of times a second.

prometheus_client's own take two locks and walk over the buckets for each observation, which made a
twelfth of the CPU of a delivery. These are filled by one thread, the event loop's, and say the same
at a scrape. Not for what happens seldom: there the library's are plainer.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Tally:
    """One counter; whoever counts adds to `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Tallies(Collector):
    """A counter family with one closed label; `tallies` are its children by label value."""

    def __init__(
        self,
        name: str,
        text: str,
        *,
        label: str,
        values: Iterable[str],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._text = text
        self._label = label
        self.tallies = {value: Tally() for value in values}
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Give the family as it is now."""
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for value, tally in self.tallies.items():
            family.add_metric([value], tally.value)
        yield family


class Distribution:
    """One histogram: how many observations fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        """Take one observation; what equals a bound is within it."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    def observe_many(self, amount: float, times: int) -> None:
        """Take what many share at once: one step instead of one for each."""
        self._counts[bisect_left(self._bounds, amount)] += times
        self._sum += amount * times

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Write it into a family."""
        names = [_go_text(bound) for bound in (*self._bounds, float("inf"))]
        counts = list(accumulate(self._counts))
        family.add_metric(
            labels, buckets=list(zip(names, counts, strict=True)), sum_value=self._sum
        )


class Distributions(Collector):
    """A histogram family with one closed label, or with none: then its child is that of ""."""

    def __init__(
        self,
        name: str,
        text: str,
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
        label: str | None = None,
        values: Iterable[str] = ("",),
    ) -> None:
        self._name = name
        self._text = text
        self._label = label
        self.distributions = {value: Distribution(buckets) for value in values}
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Give the family as it is now."""
        labels = None if self._label is None else [self._label]
        family = HistogramMetricFamily(self._name, self._text, labels=labels)
        for value, distribution in self.distributions.items():
            distribution.add_to(family, [] if self._label is None else [value])
        yield family


def _go_text(bound: float) -> str:
    """Write a bound as the library does."""
    text: str = floatToGoString(bound)  # type: ignore[no-untyped-call]  # the library's own gap
    return text
