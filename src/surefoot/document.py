"""One YAML file as plain data, with the place of everything in it, and nothing that YAML can do to harm its reader.

Read are mappings with text keys, lists, text, whole and decimal numbers, true, false and null. Tags, keys written twice, aliases that refer to themselves
or add up to a bomb, and scalars that two YAML readers would read in two ways (`0002`, `1:30`, `2026-01-01`) are refused with their place.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import yaml
from yaml.resolver import Resolver

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.step_values import UNPRINTABLE

if t.TYPE_CHECKING:
    from pathlib import Path

LARGEST = 1024 * 1024
DEEPEST = 20
MOST_NODES = 50_000
MOST_ALIASES = 100

Where = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""

_Loader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """What a file says, and where. `scalars` holds, as written, the scalars that are not text; lines and columns count from 1."""

    name: str
    data: t.Any
    values: t.Mapping[Where, tuple[int, int]]
    keys: t.Mapping[Where, tuple[int, int]]
    scalars: t.Mapping[Where, str]

    def place(self, where: Where, *, of_key: bool = False) -> str:
        """`file:line:column` of the value at `where`, of its key with `of_key`, or of the nearest thing around it."""
        for length in range(len(where), -1, -1):
            position = (self.keys if of_key else self.values).get(where[:length]) or self.values.get(where[:length])
            if position:
                return f"{self.name}:{position[0]}:{position[1]}"
        return self.name


def read_document(path: Path, *, name: str | None = None) -> Document:
    """The document in the file at `path`, called `name` in messages. Raises InvalidInput for a file that cannot be read or is not sound."""
    shown = printable(name or str(path), most=1000)
    return parse_document(read_beginning(path, LARGEST + 1, name=shown), name=shown)


def read_beginning(path: Path, size: int, *, name: str) -> bytes:
    """At most `size` bytes of the file at `path`, called `name` in messages. Raises InvalidInput for what cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidInput(f"{name} is not a file")
        with path.open("rb") as stream:
            return stream.read(size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not usable"
        raise InvalidInput(f"{name} cannot be read: {reason}", todo="check the path and who may read it") from error


def parse_document(content: bytes, *, name: str) -> Document:
    """The document in `content`. Raises InvalidInput, with file, line and column, for anything but the plain YAML described above."""
    if len(content) > LARGEST:
        raise InvalidInput(f"{name} is larger than 1 MiB", todo="split it; a feature file is about one screen long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}:{line}: This is not UTF-8 text", seen=f"byte 0x{content[error.start]:02x}", todo="save it as UTF-8") from error
    return _Reader(text, name).document()


def visible(text: str) -> str:
    """`text` with whatever a terminal would act on escaped; lines and tabs stay."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`text` visible and on one line, so that it is not taken for a line of ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def printable(text: str, *, most: int = 80) -> str:
    """`text` for a message: visible, on one line, and cut off after `most` characters."""
    escaped = one_line(text)
    return escaped if len(escaped) <= most else f"{escaped[: most - 1]}…"


class _Reader:
    """Builds data out of YAML events. A fresh one for every document."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._events = iter(yaml.parse(text, Loader=_Loader))
        self._resolver = Resolver()
        self._values: dict[Where, tuple[int, int]] = {}
        self._keys: dict[Where, tuple[int, int]] = {}
        self._scalars: dict[Where, str] = {}
        self._anchors: dict[str, tuple[t.Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._nodes = self._aliases = 0

    def document(self) -> Document:
        self._next()  # the start of the stream
        if not isinstance(self._next(), yaml.DocumentStartEvent):
            raise InvalidInput(f"{self._name} is empty")
        data = self._node(self._next(), (), 0)
        self._next()  # the end of the document
        after = self._next()
        if isinstance(after, yaml.DocumentStartEvent):
            self._refuse(after, "A second document begins here", "keep one document in a file")
        return Document(name=self._name, data=data, values=self._values, keys=self._keys, scalars=self._scalars)

    def _next(self) -> t.Any:
        try:
            return next(self._events)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{self._name}:{mark.line + 1}:{mark.column + 1}" if mark else self._name
            raise InvalidInput(f"{place}: This is not YAML: {printable(error.problem or error.context or 'it cannot be read')}") from error
        except (yaml.YAMLError, UnicodeError, ValueError) as error:
            raise InvalidInput(f"{self._name} is not YAML: {printable(str(error))}") from error

    def _refuse(self, event: t.Any, message: str, todo: str | None = None) -> t.NoReturn:
        raise InvalidInput(f"{self._name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}: {message}", todo=todo)

    def _count(self, event: t.Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            self._refuse(event, f"This file holds more than {MOST_NODES} values, aliases counted each time", "write it out, or split it")

    def _node(self, event: t.Any, where: Where, depth: int) -> t.Any:
        self._values[where] = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            self._refuse(event, f"Tags are not allowed here: {printable(event.tag)}", "write the plain value")
        if depth > DEEPEST:
            self._refuse(event, f"This is nested more than {DEEPEST} levels deep")
        before = self._nodes
        self._count(event, 1)
        if event.anchor:
            self._open_anchors.add(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            data = self._scalar(event, where)
        elif isinstance(event, yaml.SequenceStartEvent):
            data = self._sequence(where, depth)
        else:
            data = self._mapping(where, depth)
        if event.anchor:
            self._open_anchors.discard(event.anchor)
            self._anchors[event.anchor] = (data, self._nodes - before)
        return data

    def _alias(self, event: t.Any) -> t.Any:
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            self._refuse(event, f"This file holds more than {MOST_ALIASES} aliases", "write it out, or split it")
        if event.anchor in self._open_anchors:
            self._refuse(event, f"The alias {printable(event.anchor)} refers to itself")
        if event.anchor not in self._anchors:
            self._refuse(event, f"The alias {printable(event.anchor)} refers to nothing before it")
        data, nodes = self._anchors[event.anchor]
        self._count(event, nodes)
        return data

    def _sequence(self, where: Where, depth: int) -> list[t.Any]:
        data: list[t.Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            data.append(self._node(event, (*where, len(data)), depth + 1))
        return data

    def _mapping(self, where: Where, depth: int) -> dict[str, t.Any]:
        own: dict[str, t.Any] = {}
        merged: dict[str, t.Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                merged = {**self._merge(event, self._node(self._next(), (*where, "<<"), depth + 1)), **merged}
                continue
            key = self._key(event)
            if key in own:
                self._refuse(event, f"The key {printable(key)} is there twice", f"it was first written on line {self._keys[(*where, key)][0]}")
            self._keys[(*where, key)] = (event.start_mark.line + 1, event.start_mark.column + 1)
            own[key] = self._node(self._next(), (*where, key), depth + 1)
        return {**merged, **own}

    def _merge(self, event: t.Any, value: t.Any) -> dict[str, t.Any]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._refuse(event, "Only a mapping, or a list of mappings, can be merged by <<")
        return {key: source[key] for source in reversed(sources) for key in source}

    def _key(self, event: t.Any) -> str:
        self._count(event, 1)
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor:
            self._refuse(event, "A key is plain text", "a value that begins with {{ needs quotes around it")
        if self._tag(event) != "str":
            self._refuse(event, f"The key {printable(event.value)} is not text", f'write "{printable(event.value)}" in quotes')
        return self._text(event)

    def _tag(self, event: t.Any) -> str:
        if not event.implicit[0]:
            return "str"
        return str(self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)).removeprefix(_TAG)  # type: ignore[no-untyped-call]

    def _scalar(self, event: t.Any, where: Where) -> t.Any:
        tag = self._tag(event)
        if tag == "str":
            return self._text(event)
        self._scalars[where] = event.value
        if tag == "null":
            return None
        if tag == "bool" and event.value.lower() in _TRUE | _FALSE:
            return event.value.lower() in _TRUE
        if tag == "int" and _WHOLE.fullmatch(event.value):
            return int(event.value)
        if tag == "float" and _DECIMAL.fullmatch(event.value):
            return float(event.value)
        shown = printable(event.value, most=40)
        return self._refuse(event, f"{shown} means different things to different readers of YAML", f'write "{shown}" in quotes if it is text')

    def _text(self, event: t.Any) -> str:
        value = str(event.value)
        if found := UNPRINTABLE.search(value):
            self._refuse(event, f"The text holds the character U+{ord(found[0]):04X}", "leave it out")
        return value
