"""The chart on a real API server: dry run, admission, install, upgrade, rollback, removal."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.apiserver.cluster import Cluster, Refused
from tests.chart.rendering import CHART, CI, NEEDED, Helm, Object, at, listed, of_kind, pods, some

ROOT = CHART.parents[1]
PRODUCTION = CHART / "ci" / "production-values.yaml"
CLASSES = {"priorityClassName", "runtimeClassName"}
"""What a cluster's operators name; this one has none of theirs."""
pytestmark = pytest.mark.timeout(300)


def _case(path: Path) -> str:
    return path.stem.removesuffix("-values")


def _dry_run(cluster: Cluster, text: str) -> str:
    flags = ("--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl("apply", *flags, given=text)


def _set(*values: str) -> list[str]:
    return [part for one in (*NEEDED, *values) for part in ("--set", one)]


@pytest.mark.parametrize("values", CI, ids=_case)
def test_the_server_accepts_every_example(cluster: Cluster, helm: Helm, values: Path) -> None:
    """A server-side dry run with strict fields: defaults, admission, validation of the real one."""
    text = helm.text("-f", str(values))

    said = _dry_run(cluster, text)

    assert said.count("serverside-applied") == len(helm.render_file(values))


def test_the_server_refuses_what_is_wrong(cluster: Cluster, helm: Helm) -> None:
    """An unknown field of Kubernetes' own and of a custom resource; the judge does judge."""
    objects = helm.render_file(PRODUCTION)
    for kind, field in (("Deployment", "replicaz"), ("PodMonitor", "scrapeEvery")):
        one = next(iter(of_kind(objects, kind).values()))
        wrong = {**one, "spec": {**some(one, "spec"), field: 1}}
        with pytest.raises(Refused, match=field):
            _dry_run(cluster, yaml.safe_dump(wrong))


@pytest.mark.parametrize("values", CI, ids=_case)
def test_pods_pass_the_restricted_admission(cluster: Cluster, helm: Helm, values: Path) -> None:
    """Kubernetes' own admission of the level restricted judges each pod."""
    for maker, pod in pods(helm.render_file(values)):
        spec = {key: value for key, value in some(pod, "spec").items() if key not in CLASSES}
        name = maker.lower().replace("/", "-")[:60]
        alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        spec.setdefault("restartPolicy", "Always")
        cluster.kubectl(
            *("-n", "guarded", "create", "--dry-run=server", "-f", "-"),
            given=yaml.safe_dump(alone),
        )


def test_the_admission_refuses_what_is_not_restricted(cluster: Cluster, helm: Helm) -> None:
    """The same pod as root is refused, so the test above can fail."""
    _, pod = next(pods(helm.render_with()))
    spec = {**some(pod, "spec"), "securityContext": {"runAsUser": 0}}
    alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": spec}

    with pytest.raises(Refused, match="violates PodSecurity"):
        cluster.kubectl(
            "-n", "guarded", "create", "--dry-run=server", "-f", "-", given=yaml.safe_dump(alone)
        )


def _images(cluster: Cluster, namespace: str) -> set[object]:
    return {
        one["image"]
        for deployment in cluster.objects("deployment", namespace).values()
        for one in listed(deployment, "spec.template.spec.containers")
    }


def _selectors(cluster: Cluster, namespace: str) -> dict[str, object]:
    found = cluster.objects("deployment", namespace)
    return {name: at(one, "spec.selector.matchLabels") for name, one in found.items()}


def test_install_upgrade_rollback_and_removal(cluster: Cluster) -> None:
    """Each step changes what it should, keeps the selectors, and the last one leaves nothing."""
    there = ("-n", "upgrades")
    cluster.helm("install", "hl", str(CHART), *there, *_set())
    first, selectors = _images(cluster, "upgrades"), _selectors(cluster, "upgrades")
    (job,) = cluster.objects("job", "upgrades")

    later = ("image.tag=v2", "settings.log.level=debug", "deliverer.replicaCount=5")
    cluster.helm("upgrade", "hl", str(CHART), *there, *_set(*later))

    second = cluster.objects("deployment", "upgrades")["hl-hooklane-deliverer"]
    assert {str(one).rpartition(":")[2] for one in _images(cluster, "upgrades")} == {"v2"}
    assert at(second, "spec.replicas") == 5
    assert _selectors(cluster, "upgrades") == selectors
    assert job not in cluster.objects("job", "upgrades")

    cluster.helm("rollback", "hl", "1", *there)

    assert _images(cluster, "upgrades") == first
    assert _selectors(cluster, "upgrades") == selectors
    third = cluster.objects("deployment", "upgrades")["hl-hooklane-deliverer"]
    assert at(third, "spec.replicas") == 2
    assert set(cluster.objects("job", "upgrades")) == {job}

    cluster.helm("uninstall", "hl", *there)
    kinds = ("deployment", "service", "configmap", "job", "poddisruptionbudget", "serviceaccount")
    left = {name for kind in kinds for name in cluster.objects(kind, "upgrades") if "hl-" in name}
    assert left == set()


def test_the_production_example_fits_into_a_release(cluster: Cluster) -> None:
    """With dashboards, rules and users; Helm keeps a release in one Secret of 1 MiB at most."""
    there = ("-n", "hooks")
    cluster.helm("install", "hl", str(CHART), *there, "-f", str(PRODUCTION))

    assert len(cluster.objects("kafkatopic", "kafka")) == 13
    assert "hl-hooklane" in cluster.objects("prometheusrule")

    cluster.helm("uninstall", "hl", *there)
    assert cluster.objects("kafkatopic", "kafka") == {}


def test_an_autoscaler_may_be_switched_on_and_off(cluster: Cluster) -> None:
    """From fixed replicas to HPA to KEDA and back: one autoscaler at a time, none left behind."""
    there = ("-n", "hooks")
    kinds = {"none": (0, 0), "hpa": (1, 0), "keda": (0, 1)}
    cluster.helm("install", "hl", str(CHART), *there, *_set())
    try:
        for mode in ("hpa", "keda", "none"):
            values = _set(f"fanout.autoscaling.mode={mode}")
            cluster.helm("upgrade", "hl", str(CHART), *there, *values)
            found = (len(cluster.objects("hpa")), len(cluster.objects("scaledobject")))
            assert found == kinds[mode]
    finally:
        cluster.helm("uninstall", "hl", *there)


def _git(*arguments: str) -> bytes:
    ended = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True)
    return ended.stdout if ended.returncode == 0 else b""


def _earlier_chart(folder: Path) -> Path | None:
    """Take the chart of the newest release out of git; before the first, its oldest commit."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match=v*", "HEAD~1").decode().strip()
    added = _git("log", "--format=%H", "--diff-filter=A", "--", "helm/hooklane/Chart.yaml").decode()
    revision = tag or (added.split() or [""])[-1]
    archive = _git("archive", revision, "helm/hooklane") if revision else b""
    if not archive:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / "helm" / "hooklane"


def test_an_earlier_chart_can_be_upgraded(cluster: Cluster, tmp_path: Path) -> None:
    """What is installed gets the new chart in place, and may go back: nothing immutable changed."""
    earlier = _earlier_chart(tmp_path)
    if earlier is None:
        pytest.skip("no earlier chart in this clone's history")
    there = ("-n", "earlier")
    cluster.helm("install", "hl", str(earlier), *there, *_set())
    before: dict[str, Object] = cluster.objects("deployment", "earlier")
    selectors = _selectors(cluster, "earlier")

    cluster.helm("upgrade", "hl", str(CHART), *there, *_set())
    assert set(cluster.objects("deployment", "earlier")) == set(before)
    assert _selectors(cluster, "earlier") == selectors

    cluster.helm("rollback", "hl", "1", *there)
    assert _selectors(cluster, "earlier") == selectors
    cluster.helm("uninstall", "hl", *there)
