"""surefoot.yml and feature files from disk into models, or one error that names every problem with its file, line and column."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.document import Document, Where, parse_document, printable, read_document
from surefoot.fields import PATTERNS, Model
from surefoot.models import FeatureFile, ProjectFile, unknown_gate

if t.TYPE_CHECKING:
    from pathlib import Path

MOST_PROBLEMS = 10
M = t.TypeVar("M", bound=Model)


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """Something wrong in a file: `place` is file:line:column, `message` a sentence without a final period."""

    line: int
    place: str
    message: str


def load_project(path: Path, *, name: str | None = None) -> ProjectFile:
    """The project file at `path`, called `name` in messages. Raises InvalidInput."""
    return _validated(ProjectFile, read_document(path, name=name))


def load_feature(path: Path, *, project: ProjectFile | None = None, name: str | None = None) -> FeatureFile:
    """The feature file at `path`, called `name` in messages; with `project`, its gates must be known there. Raises InvalidInput."""
    document = read_document(path, name=name)
    return _with_known_gates(_validated(FeatureFile, document), document, project)


def parse_project(content: bytes, *, name: str = "surefoot.yml") -> ProjectFile:
    """The project file in `content`. Raises InvalidInput."""
    return _validated(ProjectFile, parse_document(content, name=name))


def parse_feature_file(content: bytes, *, project: ProjectFile | None = None, name: str = "feature file") -> FeatureFile:
    """The feature file in `content`; with `project`, its gates must be known there. Raises InvalidInput."""
    document = parse_document(content, name=name)
    return _with_known_gates(_validated(FeatureFile, document), document, project)


def _validated(model: type[M], document: Document) -> M:
    if not isinstance(document.data, dict):
        raise InvalidInput(f"{document.name} is a mapping", seen=_kind(document.data), todo=f"begin it with {next(iter(model.model_fields))}: NAME")
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _invalid([problem for found in error.errors(include_url=False) for problem in _problems(document, t.cast("t.Any", found))]) from error


def _with_known_gates(feature: FeatureFile, document: Document, project: ProjectFile | None) -> FeatureFile:
    if project is None:
        return feature
    unknown = [
        _problem(document, ("releases", number, *where, position), unknown_gate(gate, project.gates))
        for number, release in enumerate(feature.releases)
        for where, gates in ((("verify",), release.verify), (("restart", "verify"), release.restart.verify if release.restart else ()))
        for position, gate in enumerate(gates)
        if isinstance(gate, str) and gate not in project.gates
    ]
    if unknown:
        raise _invalid(unknown)
    return feature


def _invalid(problems: list[Problem]) -> InvalidInput:
    lines = [f"{problem.place}: {problem.message}" for problem in sorted(set(problems))]
    if len(lines) > MOST_PROBLEMS:
        lines[MOST_PROBLEMS:] = [f"and {len(lines) - MOST_PROBLEMS} more"]
    return InvalidInput("\n".join(lines))


def _problems(document: Document, found: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    kind, where, context = found["type"], _where(document, found["loc"]), found.get("ctx") or {}
    if kind == "unknown_key":
        for key in context["unknown"]:
            yield _problem(document, (*where, key), _unknown_key(key, context["known"], context["later"]), of_key=True)
    elif kind == "empty_key":
        for key in context["empty"]:
            yield _problem(document, (*where, key), f"{printable(key)} is empty; write {{}} for a step without parameters, or leave the key out", of_key=True)
    elif found["loc"] and found["loc"][-1] == "[key]":
        yield _problem(document, where, f"The key {printable(str(where[-1]))} is not a name: {_sentence(found)}", of_key=True)
    elif kind == "missing":
        yield _problem(document, where, f"The key {found['loc'][-1]} is missing{_inside(where)}")
    else:
        yield _problem(document, where, _wrong_value(document, where, found))


def _unknown_key(key: str, known: list[str], later: list[str]) -> str:
    if key in later:
        return f"{key} is not there yet in this version of surefoot"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"Unknown key {printable(key)}; " + (f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}")


def _wrong_value(document: Document, where: Where, found: t.Mapping[str, t.Any]) -> str:
    key = _key(where)
    if found["type"] == "value_error":
        return f"{found['ctx']['error']}"
    if found["type"] == "string_type" and isinstance(found["input"], (bool, int, float)):
        written = document.scalars.get(where, str(found["input"]))
        return f'{key} is text; {written} without quotes is not: write "{written}"'
    return f"{key} is not usable: {_sentence(found)} (found {_kind(found['input'])})"


def _sentence(found: t.Mapping[str, t.Any]) -> str:
    context = found.get("ctx") or {}
    if found["type"] == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"it must match {context['pattern']}")
    if found["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        return "it is written as a mapping"
    if found["type"] == "tuple_type":
        return "it is written as a list"
    return t.cast("str", found["msg"][:1].lower() + found["msg"][1:])


def _problem(document: Document, where: Where, message: str, *, of_key: bool = False) -> Problem:
    place = document.place(where, of_key=of_key)
    numbers = place.removeprefix(document.name).split(":")
    return Problem(line=int(numbers[1]) if len(numbers) > 1 else 0, place=place, message=message)


def _where(document: Document, location: tuple[int | str, ...]) -> Where:
    """Pydantic's location without what only the models know, such as the tags of unions."""
    where: Where = ()
    data = document.data
    for step in location:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)):
            where, data = (*where, step), data[t.cast("t.Any", step)]
    return where


def _key(where: Where) -> str:
    """The last key on the way, with the position in its list: `batches[2]`."""
    positions = ""
    for step in reversed(where):
        if isinstance(step, str):
            return printable(step) + positions
        positions = f"[{step + 1}]{positions}"
    return "The file"


def _inside(where: Where) -> str:
    return f" in {_key(where)}" if where else ""


def _kind(value: t.Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing", int: "a number", float: "a number"}
    return kinds.get(type(value), "something else")
