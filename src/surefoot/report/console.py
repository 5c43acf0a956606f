"""Consoles with colors as people asked for them: NO_COLOR beats all, then FORCE_COLOR and its kin, then whether a terminal is there."""

from __future__ import annotations

import os
import sys
import typing as t

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from surefoot.document import visible

_WANTED = ("FORCE_COLOR", "CLICOLOR_FORCE", "ANSIBLE_FORCE_COLOR", "PY_COLORS")
WIDTH_WITHOUT_TERMINAL = 160


class _Console(Console):
    """Shows control characters instead of sending them: what a host answers must not move the cursor, set the title or hide a line."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> t.Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr. Nothing that comes from hosts or files is read as markup, or obeyed by the terminal."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    forced = not plain and any(os.environ.get(name, "0") not in {"", "0", "false", "no"} for name in _WANTED)
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return _Console(
        width=WIDTH_WITHOUT_TERMINAL if piped else None,
        stderr=stderr,
        no_color=plain or None,
        force_terminal=forced or not piped,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )
