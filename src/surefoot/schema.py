"""JSON Schemas of surefoot.yml and feature files, made from the models that validate them, for editors to complete and check by."""

from __future__ import annotations

import typing as t

from surefoot.models import FeatureFile, ProjectFile

FILES: t.Mapping[str, type[FeatureFile] | type[ProjectFile]] = {"feature": FeatureFile, "project": ProjectFile}


def json_schema(file: t.Literal["feature", "project"]) -> dict[str, t.Any]:
    """The JSON Schema (draft 2020-12) of one of the two files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_null(FILES[file].model_json_schema())}


def _without_null(schema: t.Any) -> t.Any:
    """Optional keys may be left out but not left empty, which pydantic's schema of an optional field cannot say."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema if part != {"type": "null"}]
    if isinstance(schema, dict):
        return {key: _without_null(part) for key, part in schema.items() if not (key == "default" and part is None)}
    return schema
