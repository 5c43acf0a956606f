"""Consoles with colors as people asked for them: NO_COLOR beats all, then FORCE_COLOR and its kin, then whether a terminal is there."""

from __future__ import annotations

import os

from rich.console import Console

_WANTED = ("FORCE_COLOR", "CLICOLOR_FORCE", "ANSIBLE_FORCE_COLOR", "PY_COLORS")


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr. Nothing that comes from hosts or files is read as markup."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    forced = not plain and any(os.environ.get(name, "0") not in {"", "0", "false", "no"} for name in _WANTED)
    return Console(
        stderr=stderr,
        no_color=plain or None,
        force_terminal=True if forced else None,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )
