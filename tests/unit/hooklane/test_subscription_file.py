"""Subscriptions in a YAML file."""

from pathlib import Path

import pytest

from hooklane.exits import INVALID, CommandFailed
from hooklane.subscription_file import Resolver, WantedFile, parse_file, read_file

ONE = """
subscriptions:
  - subscriber: acme
    name: orders
    url: https://example.com/hooks
"""


def parse(text: str, **variables: str) -> WantedFile:
    """Parse with these environment variables, no folder."""
    return parse_file(text.encode(), Resolver(variables, Path("/nowhere")), "subs.yaml")


def refused(text: str, **variables: str) -> str:
    """Give the text of the refusal."""
    with pytest.raises(CommandFailed) as caught:
        parse(text, **variables)
    assert caught.value.code == INVALID
    return str(caught.value)


def test_what_is_left_out_has_its_default() -> None:
    """So removing a line from the file is a change."""
    (wanted,) = parse(ONE).subscriptions

    assert wanted.label == "acme/orders"
    assert wanted.fields["event_types"] == ["*"]
    assert wanted.fields["retry"] == {
        "schedule_s": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
        "max_age_s": 518400,
    }
    assert wanted.named == {"url"}
    assert wanted.secret is None


def test_secrets_come_by_reference(tmp_path: Path) -> None:
    """From variables and from files beside the YAML file."""
    (tmp_path / "s").write_text("whsec_x\n")
    file = tmp_path / "subs.yaml"
    file.write_text(
        ONE + "    secret: {file: s}\n    headers: {authorization: {env: TOKEN}, x-a: b}\n"
    )

    (wanted,) = read_file(str(file), {"TOKEN": "t"}).subscriptions

    assert wanted.secret == "whsec_x"
    assert wanted.fields["headers"] == {"authorization": "t", "x-a": "b"}


def test_a_date_is_a_text() -> None:
    """As in JSON, so that it can be sent; a good one no less than a bad one."""
    (wanted,) = parse(
        ONE + "    filter: {exact: {a: 2024-01-01, b: 2001-99-99, c: 2024-01-01T00:00:00Z}}\n"
    ).subscriptions

    exact = {"a": "2024-01-01", "b": "2001-99-99", "c": "2024-01-01T00:00:00Z"}
    assert wanted.fields["filter"] == {"exact": exact}


def test_an_alias_repeats_what_it_names() -> None:
    """Only one that stands inside of itself is refused."""
    text = ONE + "    filter: {any: [{exact: &x {a: '1'}}, {exact: *x}]}\n"
    (wanted,) = parse(text).subscriptions

    assert wanted.fields["filter"] == {"any": [{"exact": {"a": "1"}}, {"exact": {"a": "1"}}]}


def test_a_merge_key_gives_defaults() -> None:
    """What stands beside it wins, wherever it stands."""
    second = "  - {name: two, timeout_s: 7, <<: *one}\n"
    text = ONE.replace("- subscriber", "- &one\n    subscriber") + "    timeout_s: 9\n" + second

    one, two = parse(text).subscriptions

    assert (one.label, one.fields["timeout_s"]) == ("acme/orders", 9)
    assert (two.label, two.fields["timeout_s"]) == ("acme/two", 7)
    assert two.fields["url"] == one.fields["url"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("secret: whsec_abc", "subscriptions/0/secret: never in clear"),
        ("secret: {env: NOT_SET}", "subscriptions/0/secret: the variable NOT_SET is not set"),
        ("secret: {file: nope}", "subscriptions/0/secret: the file nope cannot be read"),
        ("secret: {env: A, file: B}", "a reference is"),
        ("headers: {authorization: {vault: A}}", "subscriptions/0/headers/authorization: a ref"),
        ("colour: red", "subscriptions/0/colour: there is no such field"),
        ("max_in_flight: 0", "subscriptions/0/max_in_flight: "),
        ("timeout_s: fast", "subscriptions/0/timeout_s: "),
        ("metadata: {hooklane.apply/owner: me}", "are ours"),
        ("name: again", "line 6: the key 'name' is there twice"),
        ("filter: &x {all: [*x]}", "line 6: an alias stands inside of what it names"),
        ("filter: {exact: {a: -.inf}}", "line 6: the number is not finite"),
        ("filter: {exact: {a: !!binary aGk=}}", "line 6: could not determine a constructor"),
    ],
)
def test_each_problem_has_its_place(line: str, said: str) -> None:
    """And no value is shown."""
    text = refused(f"{ONE}    {line}\n")

    assert said in text
    assert "whsec_abc" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a mapping"),
        ("- a", "a mapping"),
        ("a: [", "line"),
        ("subscriptions: {}", "subscriptions: a list"),
        ("subscriptions: [1]", "subscriptions/0: not a mapping"),
        ("subscriptions: [{url: x}]", "/subscriber: a text"),
        ("owner: 5\nsubscriptions: []", "owner: "),
        ("prune: true\nsubscriptions: []", "prune: there is no such key"),
        ("subscriptions: []\nowner: .nan", "line 2: the number is not finite"),
        ("owner: !!int x", "line 1: it is read as int and is none"),
        ("owner: !!float x", "line 1: it is read as float and is none"),
        ("owner: !!bool x", "line 1: it is read as bool and is none"),
        ("owner: !!timestamp 2024-01-01", "line 1: could not determine a constructor"),
        ("owner: !!set {x}", "line 1: could not determine a constructor"),
        ("!!python/object/apply:os.system [x]", "could not determine a constructor"),
        (ONE + ONE.replace("\nsubscriptions:\n", ""), "acme/orders is there twice"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, said: str) -> None:
    """Nothing is half read."""
    assert said in refused(text)


def test_all_problems_come_at_once() -> None:
    """Not one per run."""
    text = refused("subscriptions: [{subscriber: '', name: ''}, 5]")

    assert text.count("\n") == 3
