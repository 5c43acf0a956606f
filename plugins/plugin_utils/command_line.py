# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command line as it may be shown to others."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

_VALUED = re.compile(r"^(-e|-a|--extra-vars|--args)$")
_JOINED = re.compile(r"^(-[ea](?=.)|--(?:extra-vars|args)=)", re.DOTALL)


def without_values(argv: t.Sequence[str]) -> str:
    """The words of a command with `…` for the values of variables, which may be secrets, and the program without its directory."""
    words = [os.path.basename(argv[0])] if argv else []
    hide = False
    for word in argv[1:]:
        joined = _JOINED.match(word)
        words.append("…" if hide else joined.group(1) + "…" if joined else word)
        hide = not hide and _VALUED.match(word) is not None
    return " ".join(word if "…" in word else shlex.quote(word) for word in words)
