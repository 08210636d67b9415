"""Subscriptions as they are kept in git: a YAML file, with secrets by reference only.

    owner: billing                  # whose file this is; --prune touches only this owner's
    subscriptions:
      - subscriber: acme
        name: invoices              # names the subscription within owner and subscriber
        url: https://example.com/hooks
        event_types: ["invoice.*"]
        secret: {env: ACME_SECRET}  # or {file: secrets/acme}; without it the gateway makes one
        headers:
          authorization: {env: ACME_TOKEN}

Any other field is one of the API's. A field that is left out has its default, but for `status`
(left alone: the product disables what is gone) and `secret` (left alone).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml

from gateway.bodies import SubscriptionBody, parse_subscription
from gateway.documents import JsonValue
from hooklane.exits import INVALID, CommandFailed
from hooklane.input import read_input
from schemas.event import check_subscriber

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
NAME_CHARS_MAX: Final = 100
OWNER_DEFAULT: Final = "default"
MARK_PREFIX: Final = "hooklane.apply/"
_KEYS: Final = frozenset({"owner", "subscriptions"})
_OWN: Final = frozenset({"subscriber", "name"})
_SECRET_FILE_BYTES_MAX: Final = 65_536
_MERGE: Final = "tag:yaml.org,2002:merge"
_NOT_JSON: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "binary", "set", "omap", "pairs")
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One subscription as the file says it shall be; `named` are the fields the file has."""

    subscriber: str
    name: str
    named: frozenset[str]
    fields: Mapping[str, object]
    secret: str | None

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.subscriber}/{self.name}"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A whole file."""

    owner: str
    subscriptions: Sequence[Wanted]


class _Loader(yaml.SafeLoader):
    """YAML of what JSON can say, too: dates stay texts, and a repeated key is an error."""

    yaml_constructors = {  # noqa: RUF012  # PyYAML's own form
        tag: build
        for tag, build in yaml.SafeLoader.yaml_constructors.items()
        if tag not in _NOT_JSON
    }
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_JSON]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """Build a value whole; what is no value of JSON is an error with its place."""
        if node in self.recursive_objects:
            raise _wrong(node, "an alias stands inside of what it names")
        try:
            built: object = super().construct_object(node, deep=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            kind = str(node.tag).rpartition(":")[2]
            text = f"it is read as {kind} and is none; a text needs quotes"
            raise _wrong(node, text) from error
        if isinstance(built, float) and not math.isfinite(built):
            raise _wrong(node, "the number is not finite; a text needs quotes")
        return built

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """Build a mapping; refuses a key that is there twice."""
        seen: list[object] = []
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == _MERGE:
                continue  # PyYAML puts what it names before the keys that stand here
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _wrong(key_node, f"the key {key!r} is there twice")
            seen.append(key)
        built: dict[object, object] = super().construct_mapping(node, deep)
        return built


def _wrong(node: yaml.Node, text: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def read_file(name: str, variables: Mapping[str, str]) -> WantedFile:
    """Read and check a file; CommandFailed lists every problem with its place."""
    raw = read_input(name, bytes_max=FILE_BYTES_MAX)
    folder = Path() if name == "-" else Path(name).parent
    return parse_file(raw, Resolver(variables, folder), name)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Where references lead: environment variables, and files beside the YAML file."""

    variables: Mapping[str, str]
    folder: Path

    def resolve(self, reference: Mapping[object, object]) -> str:
        """Give the text; ValueError says what is missing, never what was found."""
        if len(reference) != 1:
            raise ValueError("a reference is {env: NAME} or {file: PATH}")
        ((kind, name),) = reference.items()
        if kind == "env" and isinstance(name, str):
            if not self.variables.get(name):
                raise ValueError(f"the variable {name} is not set")
            return self.variables[name]
        if kind == "file" and isinstance(name, str):
            try:
                with (self.folder / name).open("rb") as file:
                    raw = file.read(_SECRET_FILE_BYTES_MAX)
                return raw.decode().strip()
            except (OSError, UnicodeDecodeError):
                raise ValueError(f"the file {name} cannot be read") from None
        raise ValueError("a reference is {env: NAME} or {file: PATH}")


def parse_file(raw: bytes, resolver: Resolver, name: str) -> WantedFile:
    """Read YAML bytes; `name` is what error lines call the file."""
    document = _load(raw, name)
    problems: list[str] = []
    unknown = sorted(str(key) for key in document.keys() - _KEYS)
    problems += [f"{key}: there is no such key" for key in unknown]
    owner = document.get("owner", OWNER_DEFAULT)
    if not isinstance(owner, str) or not 0 < len(owner) <= NAME_CHARS_MAX:
        problems.append(f"owner: not 1 to {NAME_CHARS_MAX} characters")
    listed = document.get("subscriptions")
    if not isinstance(listed, list):
        problems.append("subscriptions: a list is needed (it may be empty)")
        listed = []
    found = []
    for index, item in enumerate(listed):
        one = _wanted(item, resolver)
        if isinstance(one, Wanted):
            found.append(one)
        else:
            problems += [f"subscriptions/{index}{problem}" for problem in one]
    problems += _repeated(found)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise CommandFailed(INVALID, f"{name} cannot be applied:\n{lines}")
    return WantedFile(str(owner), found)


def _load(raw: bytes, name: str) -> Mapping[object, object]:
    try:
        document = yaml.load(raw, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f" line {place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise CommandFailed(INVALID, f"{name}{line}: {problem}") from error
    if not isinstance(document, dict):
        raise CommandFailed(INVALID, f"{name}: a mapping with `subscriptions` is needed")
    return document


def _wanted(item: object, resolver: Resolver) -> Wanted | list[str]:
    if not isinstance(item, dict):
        return [": not a mapping"]
    problems = _identity_problems(item)
    fields: dict[str, object] = {str(k): v for k, v in item.items() if k not in _OWN}
    secret = _resolve_secret(fields, resolver, problems)
    headers = fields.get("headers")
    if isinstance(headers, dict):
        fields["headers"] = {
            k: _text(v, resolver, f"/headers/{k}", problems) for k, v in headers.items()
        }
    if "url" in fields:
        fields["url"] = _text(fields["url"], resolver, "/url", problems)
    metadata = fields.get("metadata")
    if isinstance(metadata, dict):
        reserved = [k for k in metadata if str(k).startswith(MARK_PREFIX)]
        problems += [f"/metadata/{k}: names that begin {MARK_PREFIX} are ours" for k in reserved]
    if problems:
        return problems
    body = parse_subscription(cast("dict[str, JsonValue]", fields))
    if not isinstance(body, SubscriptionBody):
        return [f"{one.pointer}: {one.detail}" for one in body]
    effective = body.model_dump(mode="json", exclude={"secret"})
    effective["filter"] = fields.get("filter")
    return Wanted(item["subscriber"], item["name"], frozenset(fields), effective, secret)


def _identity_problems(item: Mapping[object, object]) -> list[str]:
    problems = []
    subscriber, name = item.get("subscriber"), item.get("name")
    reason = check_subscriber(subscriber) if isinstance(subscriber, str) else "a text is needed"
    if reason is not None:
        problems.append(f"/subscriber: {reason}")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS_MAX:
        problems.append(f"/name: 1 to {NAME_CHARS_MAX} characters are needed")
    return problems


def _resolve_secret(
    fields: dict[str, object], resolver: Resolver, problems: list[str]
) -> str | None:
    """Take the secret out of the fields; one that stands in the file in clear is a mistake."""
    reference = fields.pop("secret", None)
    if reference is None:
        return None
    if not isinstance(reference, dict):
        problems.append("/secret: never in clear: {env: NAME} or {file: PATH}")
        return None
    return _resolved(reference, resolver, "/secret", problems)


def _text(value: object, resolver: Resolver, place: str, problems: list[str]) -> object:
    """Resolve a value that may be a reference; anything else stays as it is."""
    return _resolved(value, resolver, place, problems) if isinstance(value, dict) else value


def _resolved(
    reference: Mapping[object, object], resolver: Resolver, place: str, problems: list[str]
) -> str | None:
    try:
        return resolver.resolve(reference)
    except ValueError as error:
        problems.append(f"{place}: {error}")
        return None


def _repeated(found: Sequence[Wanted]) -> Iterator[str]:
    labels = [one.label for one in found]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield f"subscriptions: {label} is there twice"
