"""The programs that the documentation shows: a marker, then a fence with the file's very text.

`python -m tests.docs.snippets` writes the files of `examples/` into the pages.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "producers.md", ROOT / "docs" / "receivers.md")
LANGUAGES = {
    ".py": "python", ".mjs": "js", ".go": "go", ".java": "java", ".rs": "rust", ".rb": "ruby",
    ".php": "php", ".cs": "csharp", ".ex": "elixir",
}  # fmt: skip
_BLOCK = re.compile(
    r"<!-- (?P<path>examples/\S+) -->\n(?:```(?P<language>\w+)\n(?P<text>.*?)```\n)?", re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """One program as a page shows it."""

    page: str
    path: str
    language: str
    text: str


def snippets() -> list[Snippet]:
    """Take every program out of the pages."""
    return [
        Snippet(page.name, m["path"], m["language"] or "", m["text"] or "")
        for page in PAGES
        for m in _BLOCK.finditer(page.read_text())
    ]


def extracted(path: str, folder: Path) -> Path:
    """Write a program as the page shows it into a folder, to be run there."""
    (snippet,) = [one for one in snippets() if one.path == path]
    file = folder / Path(path).name
    file.write_text(snippet.text)
    return file


def _filled(match: re.Match[str]) -> str:
    file = ROOT / match["path"]
    language = LANGUAGES[file.suffix]
    return f"<!-- {match['path']} -->\n```{language}\n{file.read_text()}```\n"


if __name__ == "__main__":
    for one in PAGES:
        one.write_text(_BLOCK.sub(_filled, one.read_text()))
