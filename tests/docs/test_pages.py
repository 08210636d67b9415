"""The pages for producers and receivers say what is so."""

import re
import shlex
from pathlib import Path

import click
import pytest

from hooklane.cli import commands
from tests.docs import test_producers, test_receivers
from tests.docs.snippets import LANGUAGES, PAGES, ROOT, Snippet, snippets

COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*hooklane (.+?)(?:\s+[#|].*)?$", re.MULTILINE)
INLINE = re.compile(r"`hooklane ([a-z][^`\n]*)`")
LINK = re.compile(r"\]\((?!http|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
EVERY_PAGE = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "helm" / "hooklane" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)


@pytest.mark.parametrize("snippet", snippets(), ids=lambda one: one.path)
def test_a_page_shows_the_very_file(snippet: Snippet) -> None:
    """After a change: `python -m tests.docs.snippets`."""
    file = ROOT / snippet.path

    assert snippet.text == file.read_text()
    assert snippet.language == LANGUAGES[file.suffix]


def test_no_example_is_without_its_page() -> None:
    """What nobody shows, nobody keeps right."""
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "examples").rglob("*") if p.is_file()}
    shown = [snippet.path for snippet in snippets()]

    assert sorted(shown) == sorted(one for one in files if "__pycache__" not in one)


def test_every_python_and_javascript_program_is_run() -> None:
    """By the tests beside this one."""
    programs = {one.path for one in snippets() if one.language in {"python", "js"}}

    assert programs == {*test_producers.PROGRAMS, *test_receivers.PROGRAMS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_exist(page: Path) -> None:
    """With their options and arguments, as the command line parses them."""
    lines = COMMAND.findall(page.read_text())
    assert lines

    for line in lines:
        words = shlex.split(line.replace("…", "x"))
        command: click.Command = commands
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context("hooklane", words)


def _parse(line: str) -> None:
    """Let the command line parse a line as a page shows it; options and arguments must exist."""
    if line == "…" or line.endswith(("--version", "--help")):
        return
    words = shlex.split(re.sub(r"\[[^]]*\]|…", "", line).replace(" / ", " "))
    command: click.Command = commands
    while isinstance(command, click.Group) and words:
        command = command.commands[words.pop(0).split("|")[0].rstrip(",")]
    if not isinstance(command, click.Group) and words:
        command.make_context("hooklane", words)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_every_command_that_any_page_names_exists(page: Path) -> None:
    """In a line of its own or within a sentence, with the options that it shows."""
    text = page.read_text()

    blocks = "\n".join(FENCE.findall(text))
    for line in [*COMMAND.findall(blocks), *INLINE.findall(FENCE.sub("", text))]:
        _parse(line)


def _anchors(page: Path) -> set[str]:
    """Return what a heading of a page is called in a link, as code hosts make it."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", one).lower() for one in headings)
    return {re.sub(r"[^\w\- ]", "", one).replace(" ", "-") for one in plain}


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    """To files of this repository, and to headings that are there."""
    broken = []
    for to, heading in LINK.findall(page.read_text()):
        target = (page.parent / to).resolve() if to else page
        is_there = target.exists()
        if is_there and heading and target.suffix == ".md":
            is_there = heading in _anchors(target)
        if not is_there:
            broken.append(f"{to}#{heading}")

    assert broken == []


def test_the_readme_leads_to_every_page() -> None:
    """A page that nobody finds is not written for anybody."""
    linked = {to for to, _ in LINK.findall((ROOT / "README.md").read_text())}
    pages = {one.relative_to(ROOT).as_posix() for one in (ROOT / "docs").glob("*.md")}

    assert pages - linked == set()
