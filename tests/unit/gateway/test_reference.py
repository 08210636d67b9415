"""The reference for people."""

from html.parser import HTMLParser

from gateway.openapi import build_document
from gateway.reference import PAGE_POLICY, render_markdown, render_page
from gateway.routes import ROUTES

DOCUMENT = build_document()


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.names.add(tag)
        found = dict(attrs)
        assert not {name for name in found if name.startswith("on") or name == "style"}
        self.links.add(found.get("href") or "")
        self.ids.add(found.get("id") or "")


def test_every_call_and_its_scope_is_in_the_document() -> None:
    """With the shape of its answer."""
    text = render_markdown(DOCUMENT)

    for route in ROUTES:
        assert f"### {route.operation}\n\n`{route.method} {route.path}`" in text
        assert route.summary in text
        for answer in route.answers:
            assert answer.schema is None or f"`{answer.schema}`" in text
    assert text.count("| `admin` |") == 5


def test_the_page_runs_and_loads_nothing() -> None:
    """All links are its own; the policy allows its one style and nothing else."""
    tags = Tags()
    tags.feed(render_page(DOCUMENT).decode())

    assert not tags.names & {"script", "img", "link", "iframe", "form", "object", "base"}
    inner = {link[1:] for link in tags.links if link.startswith("#")}
    assert tags.links - {f"#{name}" for name in inner} == {"", "/openapi.json"}
    assert inner <= tags.ids
    assert {route.operation for route in ROUTES} <= tags.ids
    assert PAGE_POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in PAGE_POLICY


def test_what_a_document_says_is_text() -> None:
    """Not markup, whatever it contains."""
    info = {"title": "x", "description": "<b>`a<b`</b>"}

    page = render_page({**DOCUMENT, "info": info}).decode()

    assert "&lt;b&gt;<code>a&lt;b</code>&lt;/b&gt;" in page
