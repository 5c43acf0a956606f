# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a direct run sends to a host, and what comes back."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t
import zlib

_MODULE_UTILS = pathlib.Path(__file__).resolve().parents[2] / "module_utils"
_PACKAGE = "ansible_collections.surefoot.release.plugins.module_utils"
_LOADER = "direct/loader.py"

BOOTSTRAP = "import sys; i = sys.stdin.buffer; exec(i.read(int(i.readline())))"
"""The program that the host's Python is started with. What it reads first is the loader."""


@functools.cache
def sources() -> bytes:
    """The loader and all our module utilities, as the first two frames of every payload."""
    found = {path.relative_to(_MODULE_UTILS): path.read_text(encoding="utf-8") for path in sorted(_MODULE_UTILS.rglob("*.py"))}
    named = {".".join((_PACKAGE, *path.with_suffix("").parts)): text for path, text in found.items()}
    return _frame((_MODULE_UTILS / _LOADER).read_bytes()) + _frame(zlib.compress(json.dumps(named).encode()))


def payload(request: t.Mapping[str, t.Any], attached: bytes = b"") -> bytes:
    """All that a host reads from its standard input."""
    return b"".join((sources(), _frame(json.dumps(request).encode()), _frame(attached)))


def answer(said: str, marker: str) -> dict[str, t.Any] | None:
    """What the module answered, out of all that a host said; None where it is no answer."""
    _before, found, after = said.rpartition(marker)
    try:
        told = json.loads(after.partition("\n")[0]) if found else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _frame(content: bytes) -> bytes:
    return b"%d\n" % len(content) + content
