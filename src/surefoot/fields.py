"""The kinds of value that surefoot.yml and feature files are made of."""

from __future__ import annotations

import typing as t

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import VERSION
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.plugin_utils.release import NAME
from ansible_collections.surefoot.release.plugins.plugin_utils.step_values import MIGRATION, template_in
from ansible_collections.surefoot.release.plugins.plugin_utils.units import batch_sizes, fraction, seconds

_DURATION = {
    "anyOf": [
        {"type": "number", "minimum": 0, "description": "Seconds"},
        {"type": "string", "pattern": r"^(\d+(\.\d+)?d|(?=\d)(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?)$"},
    ],
    "examples": ["500ms", "90s", "10m", "1h30m", "2d"],
}
_PERCENT = {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?\s*%$", "examples": ["0.1%", "50%"]}

T = t.TypeVar("T")


def _with_key_check(model: type[Model], data: t.Any) -> t.Any:
    if not isinstance(data, dict):
        return data
    plain = {key: value for key, value in data.items() if not (isinstance(key, str) and key.startswith("x-"))}
    known = {field.alias or name for name, field in model.model_fields.items()}
    if unknown := [key for key in plain if key not in known]:
        raise PydanticCustomError("unknown_key", "unknown keys", {"unknown": unknown, "known": sorted(known), "later": sorted(model.later)})
    if empty := [key for key, value in plain.items() if value is None]:
        raise PydanticCustomError("empty_key", "empty keys", {"empty": empty})
    return plain


class Model(BaseModel):
    """Anything that is written as a mapping: unknown and empty keys are errors, keys that start with `x-` pass and are left out.

    `later` names keys that DESIGN has and this version has not, so that the error can say so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, json_schema_extra={"patternProperties": {"^x-": {}}})
    later: t.ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: t.Any) -> t.Any:
        return _with_key_check(cls, data)

    def as_mapping(self) -> dict[str, t.Any]:
        """What was written, as plain data in the vocabulary of the file: defaults left out, durations in seconds, shares as percentages."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


def _seconds(value: t.Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("A duration is written like 500ms, 90s, 10m, 1h30m or 2d")
    return _or_value_error(seconds, value)


def _fraction(value: t.Any) -> float:
    if not isinstance(value, str):
        raise ValueError("A percentage is written like 0.1% or 50%")
    return _or_value_error(fraction, value)


def _batch(value: t.Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("A batch is a number of hosts or a percentage of them")
    _or_value_error(lambda batch: batch_sizes([batch], 1), value)
    return value


def _share_of_hundred(value: t.Any) -> t.Any:
    return _fraction(value) * 100 if isinstance(value, str) else value


def _or_value_error(parse: t.Callable[[t.Any], T], value: t.Any) -> T:
    try:
        return parse(value)
    except InvalidInput as error:
        raise ValueError(str(error.message)) from error


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://", "{{")):
        raise ValueError("A URL begins with http:// or https://, or with a variable that does")
    return value


def _written_out(value: t.Any) -> t.Any:
    if isinstance(value, str) and template_in(value):
        raise ValueError("A step is written out, without templates; what differs between environments is a variable of the inventory, and gates may use those")
    return value


def _not_empty(value: tuple[T, ...]) -> tuple[T, ...]:
    if not value:
        raise ValueError("An empty list says nothing; leave the key out, or list at least one thing")
    return value


Many = t.Annotated[tuple[T, ...], Strict(False)]
"""A list as written; the frozen models hold it as a tuple."""
Some = t.Annotated[tuple[T, ...], Strict(False), AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
"""A list with something in it. A `min_length` would also complain of a full list none of whose items is valid."""

_NAME, _LINE, _VERSION, _MIGRATION = rf"^{NAME.pattern}$", r"^[^\n]*$", rf"^{VERSION.pattern}$", rf"^{MIGRATION.pattern}$"
PATTERNS: t.Mapping[str, str] = {
    _NAME: "it is lower-case letters, digits, dots, dashes and underscores, and begins with a letter or a digit",
    _LINE: "it is one line",
    _MIGRATION: "it is the name of a migration, without spaces, and begins with no dash",
    _VERSION: "it is letters, digits, dots, dashes, plus signs and underscores, and begins with a letter or a digit",
}
"""What the patterns of the fields below mean, for messages."""

Name = t.Annotated[str, StringConstraints(pattern=_NAME)]
Text = t.Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Line = t.Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=_LINE)]
Plain = t.Annotated[Text, BeforeValidator(_written_out)]
"""Text of a step, which is no template."""
Version = t.Annotated[str, StringConstraints(pattern=_VERSION), BeforeValidator(_written_out)]
Migration = t.Annotated[str, StringConstraints(pattern=_MIGRATION), BeforeValidator(_written_out)]
Url = t.Annotated[Text, AfterValidator(_http_url)]
Duration = t.Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_DURATION)]
"""Seconds."""
Fraction = t.Annotated[
    float, BeforeValidator(_fraction), PlainSerializer(lambda share: f"{share * 100:.10g}%", return_type=str, when_used="json"), WithJsonSchema(_PERCENT)
]
"""A share, 0 to 1, written as a percentage."""
Percentage = t.Annotated[
    float, Field(ge=0, le=100), BeforeValidator(_share_of_hundred), WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, _PERCENT]})
]
"""A share, 0 to 100, written as a number or a percentage."""
Batch = t.Annotated[int | str, BeforeValidator(_batch), WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, _PERCENT]})]
"""A number of hosts, or a percentage of all of them, as written."""
