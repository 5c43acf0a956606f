"""Consoles with colors as people asked for them: NO_COLOR beats all, then FORCE_COLOR and its kin, then whether a terminal is there."""

from __future__ import annotations

import os
import sys
import typing as t

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from surefoot.document import one_line, visible

_WANTED = ("FORCE_COLOR", "CLICOLOR_FORCE", "ANSIBLE_FORCE_COLOR", "PY_COLORS")
WIDTH_WITHOUT_TERMINAL = 160
SET_IN = "\n        "


class SafeConsole(Console):
    """Shows control characters instead of sending them: what a host answers must not move the cursor, set the title or hide a line."""

    def say(self, *parts: str | tuple[str, str], style: str = "") -> None:
        """A line out of texts, or texts with styles. What has more than one is set in, so that nothing a host answers looks like a line of ours."""
        self.print(_assembled(parts, style, lambda text: text.replace("\n", SET_IN)))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> t.Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def in_one_line(*parts: str | tuple[str, str], style: str = "") -> Text:
    """Texts, or texts with styles, put together on one line."""
    return _assembled(parts, style, one_line)


def _assembled(parts: t.Iterable[str | tuple[str, str]], style: str, shown: t.Callable[[str], str]) -> Text:
    return Text.assemble(*(shown(part) if isinstance(part, str) else (shown(part[0]), part[1]) for part in parts), style=style)


def console(*, stderr: bool = False) -> SafeConsole:
    """A console on stdout or stderr. Nothing that comes from hosts or files is read as markup, or obeyed by the terminal."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    forced = not plain and any(os.environ.get(name, "0") not in {"", "0", "false", "no"} for name in _WANTED)
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return SafeConsole(
        width=WIDTH_WITHOUT_TERMINAL if piped else None,
        stderr=stderr,
        no_color=plain or None,
        force_terminal=forced or not piped,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )
