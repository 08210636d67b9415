"""The quick instruments say what the library's own say."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from chassis.instruments import Distributions, Tallies

BOUNDS = (0.005, 0.1, 1.0, 30.0)
LABELS = ("a", "b")
AMOUNTS = st.lists(
    st.tuples(
        st.sampled_from(LABELS),
        st.one_of(st.sampled_from((0.0, *BOUNDS)), st.floats(min_value=0, max_value=1e6)),
    ),
    max_size=50,
)


@given(AMOUNTS)
def test_a_labelled_histogram_is_the_librarys(observed: list[tuple[str, float]]) -> None:
    """Byte for byte, whatever was observed."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = Distributions(
        "x_seconds", "Text.", buckets=BOUNDS, registry=ours, label="kind", values=LABELS
    )
    plain = Histogram("x_seconds", "Text.", ["kind"], buckets=BOUNDS, registry=theirs)
    for label in LABELS:
        plain.labels(label)

    for label, amount in observed:
        quick.distributions[label].observe(amount)
        plain.labels(label).observe(amount)

    assert generate_latest(ours) == _without_created(generate_latest(theirs))


@given(AMOUNTS)
def test_a_histogram_without_labels_is_the_librarys(observed: list[tuple[str, float]]) -> None:
    """Byte for byte, too."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = Distributions("x_seconds", "Text.", buckets=BOUNDS, registry=ours).distributions[""]
    plain = Histogram("x_seconds", "Text.", buckets=BOUNDS, registry=theirs)

    for _, amount in observed:
        quick.observe(amount)
        plain.observe(amount)

    assert generate_latest(ours) == _without_created(generate_latest(theirs))


@given(AMOUNTS, st.integers(1, 20))
def test_a_value_that_many_share_is_observed_at_once(
    observed: list[tuple[str, float]], times: int
) -> None:
    """As if each had been observed by itself, also on the edge of a bucket."""
    whole = [round(amount) for _, amount in observed]
    registries = [CollectorRegistry(), CollectorRegistry()]
    one, many = (
        Distributions("x_seconds", "Text.", buckets=BOUNDS, registry=registry).distributions[""]
        for registry in registries
    )

    for amount in whole:
        many.observe_many(amount, times)
        for _ in range(times):
            one.observe(amount)

    assert generate_latest(registries[0]) == generate_latest(registries[1])


@given(st.lists(st.sampled_from(LABELS), max_size=20))
def test_a_counter_is_the_librarys(counted: list[str]) -> None:
    """With its children from the start."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = Tallies("x", "Text.", label="kind", values=LABELS, registry=ours)
    plain = Counter("x", "Text.", ["kind"], registry=theirs)
    for label in LABELS:
        plain.labels(label)

    for label in counted:
        quick.tallies[label].value += 1
        plain.labels(label).inc()

    assert generate_latest(ours) == _without_created(generate_latest(theirs))


def _without_created(page: bytes) -> bytes:
    """Leave the `_created` series out, which every service switches off."""
    kept = [line for line in page.splitlines(keepends=True) if b"_created" not in line]
    return b"".join(kept)
