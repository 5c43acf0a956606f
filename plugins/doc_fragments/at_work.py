# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  receipt:
    description:
      - Path of the receipt of the application on this host, as M(surefoot.release.receipt) writes it. Nothing is read from it.
      - While this step is at work, M(surefoot.release.release_info) with the same path tells so, whoever began it. On Linux only.
    type: path
"""
