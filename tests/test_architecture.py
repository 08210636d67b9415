"""The house rules as a test: budgets, names, seams and the mirror of sources and tests.

Style written down but not checked decays (TigerBeetle's `tidy` is the model). Import directions are
import-linter's job (`make check`).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "chassis", "gateway", "fanout", "deliverer", "hooklane")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

LINES_MAX = 400
TEST_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
POSITIONAL_MAX = 4
PUBLIC_METHODS_MAX = 15
MAIN_LINES_MAX = 30

BANNED_NAMES = {
    "util", "utils", "common", "helper", "helpers", "manager", "impl", "base", "core", "misc",
}  # fmt: skip
BANNED_TEXT = {
    "a machine path": re.compile(r"(?<![\w./~{}-])/(?:work|root|home|Users)/\w"),
    "a package registry": re.compile(
        r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|crates\.io|maven|debian)"
    ),
}
CLIENTS = re.compile(r"\bAIOKafka(?:Consumer|Producer|AdminClient)\(")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _is_method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool(node.args.args) and node.args.args[0].arg in {"self", "cls"}


def _words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=_name)
def test_files_and_functions_keep_their_budget(path: Path) -> None:
    """A file over its budget wants to be two; a function over 60 lines hides a step."""
    text = path.read_text()
    is_test = path in TESTS
    lines_max = TEST_LINES_MAX if is_test else LINES_MAX

    too_long = [
        f"{node.name}: {length} lines"
        for node in _functions(ast.parse(text))
        if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]

    assert text.count("\n") <= lines_max
    assert too_long == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_functions_take_few_positional_parameters(path: Path) -> None:
    """More than four positional parameters are told apart by name only."""
    crowded = []
    for node in _functions(ast.parse(path.read_text())):
        count = len(node.args.posonlyargs) + len(node.args.args) - _is_method(node)
        if count > POSITIONAL_MAX:
            crowded.append(f"{node.name}: {count}")

    assert crowded == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_classes_have_one_responsibility(path: Path) -> None:
    """A class with many public methods is several classes; properties are its state."""
    crowded = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            methods = [
                child.name
                for child in node.body
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
                and not child.name.startswith("_")
                and not child.decorator_list
            ]
            if len(methods) > PUBLIC_METHODS_MAX:
                crowded.append(f"{node.name}: {len(methods)}")

    assert crowded == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_names_say_what_a_thing_is(path: Path) -> None:
    """A drawer (`utils`, `helpers`, `common` …) is where structure ends."""
    classes = [n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)]
    parts = [part.removesuffix(".py") for part in path.relative_to(ROOT).parts]

    bad = [name for name in parts + classes if _words(name) & BANNED_NAMES]

    assert bad == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_packages_only_introduce_themselves(path: Path) -> None:
    """`__init__` holds a docstring and re-exports; `__main__` only starts something."""
    tree = ast.parse(path.read_text())
    if path.name == "__init__.py":
        body = [n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)]
        extra = [
            n
            for n in body[1:]
            if not (isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__")
        ]
        assert ast.get_docstring(tree)
        assert extra == []
    if path.name == "__main__.py":
        assert path.read_text().count("\n") <= MAIN_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_every_module_has_its_test_file(path: Path) -> None:
    """`room/part/thing.py` is tested by `tests/unit/room/part/test_thing.py`.

    What only a real peer can try has the same place in `tests/integration`.
    """
    if path.name in {"__init__.py", "__main__.py"}:
        return
    relative = path.relative_to(ROOT)
    mirrored = relative.parent / f"test_{relative.name}"
    found = [ROOT / "tests" / kind / mirrored for kind in ("unit", "integration")]

    texts = [file.read_text() for file in found if file.exists()]

    assert any("def test_" in text or "class Test" in text for text in texts), (
        f"write {_name(found[0])}"
    )


def test_only_the_chassis_constructs_kafka_clients() -> None:
    """Hazard guards live in one place; a client built elsewhere would go without them."""
    elsewhere = [
        _name(path)
        for path in SOURCES
        if CLIENTS.search(path.read_text()) and _name(path) != "chassis/kafka.py"
    ]

    assert elsewhere == []


@pytest.mark.parametrize(
    "folder",
    sorted({p.parent for p in TESTS}),
    ids=_name,
)
def test_every_test_folder_is_a_package(folder: Path) -> None:
    """Without `__init__.py` the folder tests/unit/gateway would shadow `gateway` itself."""
    assert (folder / "__init__.py").exists()


@pytest.mark.parametrize("path", TESTS, ids=_name)
def test_tests_use_fakes_and_signals(path: Path) -> None:
    """No patching, no waiting for the clock: wait on signals, pass fakes."""
    if path.name == "test_architecture.py":
        return
    text = path.read_text()

    assert "monkeypatch.setattr" not in text
    assert "mock.patch" not in text
    assert not re.search(r"\btime\.sleep\(", text)
    if {"unit", "property", "simulation"} & set(path.parts):
        assert not re.search(r"asyncio\.sleep\((?!0\))", text)


def test_no_file_names_this_machine_or_a_registry() -> None:
    """A clone works anywhere: paths and package hosts belong to the reader's machine."""
    suffixes = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".json"}
    hidden = {".venv", ".git", "build", "dist"}
    found = []
    for path in ROOT.rglob("*"):
        if path.suffix not in suffixes or hidden & set(path.parts) or not path.is_file():
            continue
        if any(part.startswith(".") and "cache" in part for part in path.parts):
            continue
        if path.name == "test_architecture.py":
            continue
        text = path.read_text(errors="replace")
        found += [f"{_name(path)}: {what}" for what, rx in BANNED_TEXT.items() if rx.search(text)]

    assert found == []
