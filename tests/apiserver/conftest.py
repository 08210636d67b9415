"""One API server for all tests here, built by `make chart-apiserver`; else they are skipped."""

from collections.abc import Iterator

import pytest
import yaml

from tests.apiserver.cluster import Cluster, running
from tests.apiserver.definitions import definitions
from tests.chart.conftest import helm
from tools import apiserver
from tools import helm as helm_tool

__all__ = ["helm"]
NAMESPACES = ("hooks", "kafka", "monitoring", "upgrades", "earlier", "guarded")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a server that knows the custom resources, with the namespaces of the examples."""
    tools = apiserver.find()
    if tools is None:
        pytest.skip("no Kubernetes API server here: make chart-apiserver")
    try:
        programs = helm_tool.ensure()
    except helm_tool.HelmMissing as error:
        pytest.skip(str(error))
    if programs.kubectl is None:
        pytest.skip("no kubectl beside Helm: python -m tools.helm")
    with running(tools, programs, tmp_path_factory.mktemp("cluster")) as made:
        apply(made, definitions())
        made.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for name in NAMESPACES:
            made.kubectl("create", "namespace", name)
        level = "pod-security.kubernetes.io/enforce=restricted"
        made.kubectl("label", "namespace", "guarded", level)
        yield made


def apply(cluster: Cluster, objects: list[dict[str, object]]) -> None:
    """Give the server objects."""
    text = yaml.safe_dump_all(objects)
    cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", given=text)
