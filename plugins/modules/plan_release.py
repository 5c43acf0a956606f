#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_release
short_description: Decide from the survey what a release has to do
version_added: "0.1.0"
description:
  - Takes what M(surefoot.release.release_info) found on every host (registered by the survey role as C(survey_result)) and the release, and decides which
    step is needed where, and why.
  - Fails, before anything is changed, when a planned host did not answer, when hosts differ from each other, when what is there is not what the releases
    before this one left behind, or when a step is at work on a host, as a controller that was killed may have left one there.
  - Orders the roll by what hosts do now. Those that serve nobody, drained or not running, go first and in batches of their own. It fails when so many are kept
    out of their pool by another hand that one more would be more than the largest declared batch.
  - A way back is planned for the hosts that answered, and does without the others.
  - Gives C(surefoot_release), C(surefoot_plan), C(surefoot_root) and C(surefoot_app), the variables that the roles of this collection use.
  - Runs on the controller only, once for all hosts of the play.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.read_only
options:
  scope:
    description: The scope of the release as P(surefoot.release.scope#lookup) gives it.
    type: dict
    required: true
  ramp:
    description: Of a release that opens a feature in stages, the stage to go to, in percent of users.
    type: float
  away:
    description: Hosts that are known to serve nobody, for where no pool tells; they roll first.
    type: list
    elements: str
    default: []
  decision:
    description:
      - A file on the controller that says that the release may begin. It is waited for as long as the run goes on.
      - It holds a JSON mapping. With C(reversible_only) what is migrated has to have a way down.
    type: path
  live_before:
    description:
      - A JSON file on the controller with the version by host that was live when the release was first begun, where it was begun before and is not done.
      - A way back that was broken off may have left hosts there with receipts of the release, and that is no other hand's doing.
    type: path
"""

EXAMPLES = r"""
- name: Decide what the release has to do
  surefoot.release.plan_release:
    scope: "{{ lookup('surefoot.release.scope', 'reviews', release='reviews-api') }}"
  run_once: true
"""

RETURN = r"""
error:
  description:
    - The failure as data, with its C(kind), V(Refused), or V(Busy) where a step is at work on a host, and its C(message).
    - What was C(seen) and what there is C(todo) are V(null), as the message has them for each host.
  returned: when the release is refused
  type: dict
facts:
  description: The variables C(surefoot_release), C(surefoot_plan), C(surefoot_root) and C(surefoot_app); the survey role sets them for all hosts of the play.
  returned: success
  type: dict
plan:
  description: The decision.
  returned: success
  type: dict
  contains:
    release:
      description: The release as it was read.
      type: dict
      returned: always
    needed:
      description: Whether anything is left to do.
      type: bool
      returned: always
    steps:
      description: Each declared kind of step with C(kind), C(needed) and C(hosts), where each host has C(needed), C(reason), C(before) and C(after).
      type: list
      elements: dict
      returned: always
    refusals:
      description: Always empty, since the action fails when there are any.
      type: list
      elements: dict
      returned: always
    batches:
      description: The hosts of each batch of the roll, in order.
      type: list
      elements: list
      returned: always
"""
