#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_guard
short_description: Stop a release when any host of the fleet fell behind
version_added: "0.1.0"
description:
  - Fails when a planned host failed or was unreachable anywhere earlier in the release, in this batch, in an earlier one or in an earlier play.
  - Stands at the head of each batch, because the keywords of plays look at one batch only and do not count unreachable hosts as failed.
  - Runs on the controller only.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.read_only
options:
  phase:
    description: The phase that is about to begin, V(stage), V(migrate), V(roll), V(flush_cache), V(enable_feature) or V(verify).
    type: str
    required: true
  after:
    description:
      - The phases that every planned host must have got through.
      - By default those that come before O(phase) in a release; a way back has another order.
    type: list
    elements: str
    choices: [stage, migrate, roll, flush_cache, enable_feature]
  planned:
    description: The hosts of each phase, as M(surefoot.release.plan_release) gives them.
    type: dict
    required: true
  without:
    description: Hosts that are known to be away, and that this phase does without; a way back brings the others into service before it stops.
    type: list
    elements: str
    default: []
  ended:
    description:
      - Whether O(phase) has ended in this batch, well or not, and is not about to begin.
      - The action then fails only when hosts are left drained, and names them. It stands in the C(always) of a batch for those that a failure of
        another host kept from being put back.
    type: bool
    default: false
  without_pool:
    description: Whether no host of the fleet has a pool, so that the roll ends with the restart and nobody is put back.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop when any host fell behind
  surefoot.release.fleet_guard:
    phase: roll
    planned: "{{ surefoot_plan.planned }}"

- name: Name the hosts that are left drained
  surefoot.release.fleet_guard:
    phase: roll
    ended: true
    planned: "{{ surefoot_plan.planned }}"
"""

RETURN = r"""
behind:
  description: The hosts that fell behind; always empty, since the action fails when there are any.
  returned: success
  type: list
  elements: str
"""
