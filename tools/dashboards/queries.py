"""Short ways to write the queries of panels; every selector has the dashboard's matchers."""

from tools.dashboards.model import Target

CHOSEN = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def of(metric: str, *matchers: str) -> str:
    """Return a selector of what the dashboard shows."""
    return f"{metric}{{{','.join((CHOSEN, *matchers))}}}"


def rate(metric: str, *matchers: str, by: str = "") -> str:
    """Return how much a counter grows a second, summed by labels."""
    return f"sum{_by(by)} (rate({of(metric, *matchers)}[$__rate_interval]))"


def grown(metric: str, *matchers: str, by: str = "") -> str:
    """Return by how much a counter grew over the range that is shown."""
    return f"sum{_by(by)} (increase({of(metric, *matchers)}[$__range]))"


def total(metric: str, *matchers: str, by: str = "") -> str:
    """Return a gauge summed by labels."""
    return f"sum{_by(by)} ({of(metric, *matchers)})"


def worst(metric: str, *matchers: str, by: str = "") -> str:
    """Return the largest of a gauge by labels."""
    return f"max{_by(by)} ({of(metric, *matchers)})"


def quantile(q: float, histogram: str, *matchers: str, by: str = "") -> str:
    """Return a quantile of a histogram by labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {rate(f'{histogram}_bucket', *matchers, by=labels)})"


def quantiles(histogram: str, *matchers: str) -> tuple[Target, ...]:
    """Return the three quantiles of a histogram as targets."""
    return tuple(Target(quantile(q, histogram, *matchers), name) for name, q in QUANTILES)


def share_within(histogram: str, le: str, *matchers: str) -> str:
    """Return the share of observations up to a bound, over the range that is shown."""
    good = grown(f"{histogram}_bucket", *matchers, f'le="{le}"')
    return f"{good} / {grown(f'{histogram}_count', *matchers)}"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
