# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.surefoot.release.plugins.module_utils.entry import flush_cache as entry
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import StepAction


class ActionModule(StepAction):
    ENTRY = entry
