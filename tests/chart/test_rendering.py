"""The chart over a matrix of values: Helm's lint, Kubernetes' schemas, sameness."""

import re
from functools import lru_cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
from kubernetes_validate import utils
from referencing import Registry, Resource

from tests.chart import crds
from tests.chart.rendering import CHART, CI, Helm, HelmFailed, Object, at, of_kind

VERSIONS = ("1.25", "1.28", "1.32", "1.37")
CUSTOM = {api for api, _ in crds.SPECS}


def _case(path: Path) -> str:
    return path.stem.removesuffix("-values")


@pytest.mark.parametrize("values", CI, ids=_case)
def test_helm_finds_nothing_to_criticise(helm: Helm, values: Path) -> None:
    """`helm lint --strict` passes for every example, warnings included."""
    printed = helm.run("lint", "--strict", str(CHART), "-f", str(values))

    assert "0 chart(s) failed" in printed
    assert "[WARNING]" not in printed


def test_the_defaults_pass_the_lint(helm: Helm) -> None:
    """A lint without values, as chart tools run it, passes too."""
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART))


@lru_cache(maxsize=256)
def _validator(version: str, kind: str, api: str) -> jsonschema.protocols.Validator:
    """Do what kubernetes-validate does, but load the half gigabyte of definitions once."""
    full = [one for one in utils.all_versions() if one.startswith(f"{version}.")][-1]
    folder = f"kubernetes-json-schema/v{full}-local-strict"
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = utils.schema_contents(f"{folder}/{kind.lower()}-{name}.json", version)
    registry = Resource.from_contents(schema) @ _definitions(folder, version)
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=8)
def _definitions(folder: str, version: str) -> Registry[object]:
    contents = utils.schema_contents(f"{folder}/_definitions.json", version)
    return Resource.from_contents(contents) @ Registry()


def _problems(objects: list[Object], version: str) -> list[str]:
    found = []
    for one in objects:
        api, kind, name = str(one["apiVersion"]), str(one["kind"]), at(one, "metadata.name")
        if api in CUSTOM:
            found += [f"{kind} {name}: {text}"] if (text := crds.violation(one)) else []
            continue
        errors = _validator(version, kind, api).iter_errors(one)
        found += [f"{kind} {name}: {error.json_path}: {error.message}" for error in errors]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", CI, ids=_case)
def test_kubernetes_knows_every_field(helm: Helm, values: Path, version: str) -> None:
    """Strict schemas: an unknown or mistyped field is what the cluster would refuse."""
    objects = helm.render("-f", str(values), "--kube-version", version)

    assert objects
    assert _problems(objects, version) == []


def test_the_schemas_bite(helm: Helm) -> None:
    """A wrong field is found, in Kubernetes' own objects and in custom ones, also by the tool."""
    objects = helm.render_file(CHART / "ci" / "production-values.yaml")
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    monitor = next(one for one in objects if one["kind"] == "PodMonitor")
    bad = {**deployment, "spec": {**deployment["spec"], "replicaz": 1}}  # type: ignore[dict-item]
    bad_monitor = {**monitor, "spec": {**monitor["spec"], "scrapeEvery": 1}}  # type: ignore[dict-item]

    assert kubernetes_validate.validate(deployment, "1.37", strict=True) == "1.37"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bad, "1.37", strict=True)
    assert any("replicaz" in text for text in _problems([bad], "1.37"))
    assert any("scrapeEvery" in text for text in _problems([bad_monitor], "1.37"))


@pytest.mark.parametrize("values", CI, ids=_case)
def test_rendering_twice_gives_the_same(helm: Helm, values: Path) -> None:
    """Argo CD and `helm diff` render again and again: nothing may change by itself."""
    assert helm.text("-f", str(values)) == helm.text("-f", str(values))


@pytest.mark.parametrize("values", CI, ids=_case)
def test_people_can_read_what_is_rendered(helm: Helm, values: Path) -> None:
    """No line of blanks where a template had nothing to say, and no item that begins with none."""
    quiet = ("--set", "test.enabled=false", "--set", "metrics.dashboards.enabled=false")
    text = helm.text("-f", str(values), *quiet)

    assert re.findall(r"^.*[ \t]+$", text, re.MULTILINE) == []
    assert re.findall(r"^ *-$", text, re.MULTILINE) == []


def test_no_template_makes_up_or_looks_up_anything() -> None:
    """A secret made by a template is another one at the next upgrade; `lookup` is empty in CI."""
    made_up = re.compile(
        r"\b(rand\w+|gen(?:PrivateKey|CA|SelfSignedCert|SignedCert)\w*|uuidv4|lookup|now|"
        r"derivePassword|htpasswd|bcrypt|encryptAES|getHostByName)\b"
    )

    found = []
    for path in sorted((CHART / "templates").rglob("*.*")):
        code = re.findall(r"\{\{-?(?!\s*/\*)(.*?)-?\}\}", path.read_text(), re.DOTALL)
        found += [f"{path.name}: {hit}" for text in code for hit in made_up.findall(text)]

    assert found == []


@pytest.mark.parametrize("values", CI, ids=_case)
def test_names_are_unique_and_of_this_namespace(helm: Helm, values: Path) -> None:
    """Two objects of one name overwrite each other; one elsewhere needs a value that says so."""
    objects = helm.render_file(values)
    names = [
        (one["kind"], at(one, "metadata.namespace"), at(one, "metadata.name")) for one in objects
    ]
    elsewhere = {at(one, "metadata.namespace") for one in objects} - {
        "hooks",
        "kafka",
        "monitoring",
    }

    assert len(names) == len(set(names))
    assert all(len(str(name)) <= 63 for _, _, name in names)
    assert elsewhere <= {None}


def test_long_release_names_still_fit(helm: Helm) -> None:
    """Names are cut before their suffix, so that the suffix tells the objects apart."""
    name = "a-release-name-of-fifty-three-characters-the-longest1"
    sets = ("kafka.bootstrapServers=k:9092", "auth.existingSecret=s", "vault.existingSecret=s")
    printed = helm.run(
        "template", name, str(CHART), *(part for one in sets for part in ("--set", one))
    )

    names = re.findall(r"^  name: (\S+)$", printed, re.MULTILINE)

    assert len(names) > 5
    assert all(len(one) <= 63 for one in names)
    assert any(one.endswith("-deliverer") for one in names)


def test_old_clusters_are_refused(helm: Helm) -> None:
    """Below 1.25 there is no endPort and no policy/v1 to rely on."""
    with pytest.raises(HelmFailed, match="kubeVersion"):
        helm.text("--kube-version", "1.24.0")


def test_the_package_holds_what_it_needs(helm: Helm, tmp_path: Path) -> None:
    """`helm package` gives a chart that renders the same without this checkout."""
    values = CHART / "ci" / "production-values.yaml"
    printed = helm.run("package", str(CHART), "-d", str(tmp_path))
    (package,) = tmp_path.glob("hooklane-*.tgz")

    packaged = helm.run("template", "r", str(package), "-n", "hooks", "-f", str(values))

    assert "Successfully packaged" in printed
    assert packaged == helm.text("-f", str(values))
    assert len(of_kind(helm.render_file(values), "KafkaTopic")) == 13
