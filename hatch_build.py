"""Puts galaxy.yml into the wheel, so that Ansible knows the version of the collection it finds there.

It is one file, which hatchling can only force in; an editable install finds it in the checkout and must not get a copy.
"""

from __future__ import annotations

import typing as t

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GalaxyMetadata(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the collection's metadata to a wheel that carries the collection itself."""

    def initialize(self, version: str, build_data: dict[str, t.Any]) -> None:
        """Add the file when `version` is standard, which an editable build is not."""
        if version == "standard":
            build_data["force_include"]["galaxy.yml"] = "ansible_collections/surefoot/release/galaxy.yml"
