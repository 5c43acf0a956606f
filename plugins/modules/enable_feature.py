#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enable_feature
short_description: Open a feature to an audience
version_added: "0.1.0"
description:
  - Writes a boolean flag into a flagd flag file, so that those who belong to the audience see the feature and nobody else does.
  - Reads the flag back the way an application evaluates it, for members of the audience and for outsiders.
  - Refuses to take a feature away from anyone who has it, and to replace rules that somebody else wrote, unless told to.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
  - surefoot.release.at_work
notes:
  - Everything else in the file is kept, in its order. The file is replaced whole, with a modification time that always grows, because providers look for that.
  - A feature that nobody sees is an enabled flag whose default is off. A disabled flag would leave the answer to the default in each application's code.
  - A flag written here carries C(surefoot) in its metadata, a digest of its rules, by which an edit by another hand is noticed.
  - Runs at the same time wait for each other on a lock file next to the flag file.
options:
  backend:
    description: Where the flag is kept. V(flagd) is a JSON file that flagd and the OpenFeature providers for flagd read.
    type: str
    choices: [flagd]
    default: flagd
  path:
    description: The flag file. It is created where only its directory exists. A link is followed and kept.
    type: path
    required: true
  flag:
    description: The key of the flag.
    type: str
    required: true
  state:
    description:
      - V(present) gives the flag its O(audience).
      - V(absent) takes the flag out of the file, which leaves the answer to the default in each application's code.
    type: str
    choices: [present, absent]
    default: present
  audience:
    description: Who sees the feature; whoever meets any of the conditions does. Required with O(state=present).
    type: dict
    suboptions:
      everyone:
        description: Everyone, and nothing else beside it.
        type: bool
      nobody:
        description: No one, and nothing else beside it.
        type: bool
      groups:
        description: Members of any of these groups.
        type: list
        elements: str
      users:
        description: These users.
        type: list
        elements: str
      percentage:
        description:
          - This part of all users who have a targeting key, from 0 to 100 with at most three decimals. V(100) is everyone.
          - The same user always gets the same answer, and whoever is in at a lower percentage is in at a higher one.
        type: float
  group_attribute:
    description: The name under which the application gives a user's groups, a list or one name, in its evaluation context.
    type: str
    default: groups
  user_attribute:
    description: The name under which the application gives the user in its evaluation context.
    type: str
    default: targetingKey
  allow_decrease:
    description: Allow to take the feature away from some who have it.
    type: bool
    default: false
  force:
    description: Replace rules that somebody else wrote, a disabled flag among them.
    type: bool
    default: false
  contexts:
    description: Further users to evaluate the flag for, beside those that the audience suggests.
    type: list
    elements: dict
    default: []
    suboptions:
      context:
        description: An evaluation context as the application would give it, with C(targetingKey) in it.
        type: dict
        required: true
      expect:
        description: What the flag must be for this context. Nothing is written if it would not be.
        type: bool
        required: true
"""

EXAMPLES = r"""
- name: Let staff in, and nobody else
  surefoot.release.enable_feature:
    path: /etc/bookshop/flags.json
    flag: reviews
    audience:
      groups: [staff]
    contexts:
      - context: {targetingKey: anna, groups: [staff, editors]}
        expect: true
      - context: {targetingKey: carl, groups: [customers]}
        expect: false

- name: Let a tenth of all users in, and still staff
  surefoot.release.enable_feature:
    path: /etc/bookshop/flags.json
    flag: reviews
    audience:
      groups: [staff]
      percentage: 10

- name: Close it again
  surefoot.release.enable_feature:
    path: /etc/bookshop/flags.json
    flag: reviews
    audience:
      nobody: true
    allow_decrease: true
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(enable_feature).
      type: str
      returned: always
      sample: enable_feature
    needed:
      description: Whether the flag had to change.
      type: bool
      returned: always
    reason:
      description: Why, as a sentence.
      type: str
      returned: always
      sample: "change needed: reviews is to be on for group staff; it is on for nobody"
    before:
      description:
        - Whether the flag C(exists), whether its rules are C(foreign), which is another hand's, and its C(audience), V(null) where that cannot be said.
        - C(evaluated) lists, for each sample user, C(who) that is, the C(context) and the C(value) of the flag. The value is V(null) where the application's
          own default decides, or where flag providers differ about a percentage.
      type: dict
      returned: always
    after:
      description: The same, as it is now.
      type: dict
      returned: always
    impact:
      description: Always empty, as nothing is interrupted.
      type: dict
      returned: always
    undo:
      description: The C(flag) with the C(audience) it had, or with C(state=absent) where there was none; V(null) where nothing changed or rules were forced.
      type: dict
      returned: always
    reversible:
      description: Whether RV(step.undo) brings back what was there, which it does not when rules of another hand were replaced.
      type: bool
      returned: always
    duration_ms:
      description: The time spent on the host, in milliseconds.
      type: int
      returned: always
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused), V(Busy) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - V(Busy) is a refusal because another is at work on the same; nothing was changed.
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import enable_feature


def main() -> None:
    enable_feature.run(AnsibleModule(**enable_feature.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
