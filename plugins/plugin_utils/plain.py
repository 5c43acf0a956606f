# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t


def plain(value: t.Any) -> t.Any:
    """Plain data out of the lazy containers and tagged strings that values of Ansible's variables are."""
    return json.loads(json.dumps(value, default=str))
