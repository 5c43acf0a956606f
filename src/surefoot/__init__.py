"""surefoot: releases, one step at a time."""

from __future__ import annotations

import importlib
import typing as t

__version__ = "0.1.0"

if t.TYPE_CHECKING:
    from surefoot.jobs import Applied
    from surefoot.lock import Cancelled
    from surefoot.planning import FeaturePlan, Surveyed
    from surefoot.project import Applying, Project

__all__ = ["Applied", "Applying", "Cancelled", "FeaturePlan", "Project", "Surveyed"]


def __getattr__(name: str) -> t.Any:
    """The public API, imported when it is asked for, so that `surefoot --help` is instant."""
    if name in __all__:
        return getattr(importlib.import_module("surefoot.project"), name)
    raise AttributeError(f"module surefoot has no attribute {name}")
