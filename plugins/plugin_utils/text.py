# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others, as it may be shown on a terminal."""

from __future__ import annotations

import re

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, halves of surrogate pairs, and what turns the direction of writing: nothing needs them, and terminals act on them."""


def visible(text: str) -> str:
    """`text` with whatever a terminal would act on escaped; lines and tabs stay."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`text` visible and on one line, so that it is not taken for a line of ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
