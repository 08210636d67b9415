"""The pages for producers and receivers say what is so."""

import re
import shlex
from pathlib import Path

import click
import pytest

from hooklane.cli import commands
from tests.docs import test_producers, test_receivers
from tests.docs.snippets import LANGUAGES, PAGES, ROOT, Snippet, snippets

COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*hooklane (.+?)(?:\s+#.*)?$", re.MULTILINE)
LINK = re.compile(r"\]\((?!http)([^)#]+)")


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


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    """To files of this repository."""
    text = page.read_text()

    broken = [to for to in LINK.findall(text) if not (page.parent / to).exists()]

    assert broken == []
