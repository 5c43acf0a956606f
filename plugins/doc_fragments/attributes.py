# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  platform:
    description: The operating systems it works on.
    support: full
    platforms: posix
"""

    STEP = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what it would do, without doing it.
    support: full
    details:
      - Only surveys. Nothing is executed and rolled back, and no lock is taken.
  diff_mode:
    description: Says in diff mode what changed, or would change.
    support: full
  idempotent:
    description: Changes nothing when run a second time.
    support: full
"""

    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details:
      - Only reads, so check mode makes no difference.
  diff_mode:
    description: Says in diff mode what changed.
    support: N/A
    details:
      - Changes nothing.
  idempotent:
    description: Changes nothing when run a second time.
    support: full
"""
