# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever started this run says while it goes on, in files that appear: the start of ansible-playbook takes as long as finding that out."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused

LOOK_SECONDS = 0.02
"""How often is looked whether the file is there."""


def say(path: str, content: t.Any) -> None:
    """Let the file appear, whole."""
    with open(f"{path}.new", "w", encoding="utf-8") as stream:
        json.dump(content, stream)
    os.rename(f"{path}.new", path)


def awaited(path: str, parent: t.Callable[[], int] = os.getppid, sleep: t.Callable[[float], None] = time.sleep) -> t.Any:
    """The content of the file, once it is there. Raises Refused when nobody is left to say anything: our parent has ended, or the directory is gone."""
    waiting = parent()
    while True:
        try:
            with open(path, encoding="utf-8") as stream:
                return json.load(stream)
        except FileNotFoundError:
            if parent() != waiting or not os.path.isdir(os.path.dirname(path)):
                raise Refused("Nobody is left to say whether this may go on, so it does not") from None
            sleep(LOOK_SECONDS)
