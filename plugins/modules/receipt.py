#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: receipt
short_description: Note on a host that a release went there
version_added: "0.1.0"
description:
  - Surveys the host once more, compares it with the survey from before the release, and refuses when something changed that the release did not declare.
  - Then writes the release into the receipt of the host, atomically. The receipt is what later surveys and releases go by.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
options:
  app:
    description: The application.
    type: str
    required: true
  environment:
    description: The environment the host belongs to.
    type: str
    default: ""
  feature:
    description: The feature the release belongs to.
    type: str
    required: true
  release:
    description: The name of the release.
    type: str
    required: true
  digest:
    description: The digest of the release as it was written when it was done.
    type: str
    required: true
  outcome:
    description: Whether the release was verified, has been rolled back, or was there and somebody adopted it.
    type: str
    choices: [verified, rolled_back, adopted]
    default: verified
  also:
    description:
      - More releases of the feature to note before this one, in the same write.
      - One that is rolled back is only noted where it was in place.
    type: list
    elements: dict
    default: []
    suboptions:
      release:
        description: The name of the release.
        type: str
        required: true
      digest:
        description: The digest of the release.
        type: str
        required: true
      outcome:
        description: As O(outcome).
        type: str
        choices: [verified, rolled_back, adopted]
        required: true
  run:
    description: The run of the runner that did it.
    type: str
    default: ""
  before:
    description: The survey from before the release. Without it nothing is compared.
    type: dict
  live_before:
    description:
      - The version that was live when the release was first begun; left out, the one in O(before).
      - They differ when a run of the release was killed after it had made its version live.
    type: str
  declared:
    description: The kinds of step the release declares.
    type: list
    elements: str
    default: []
  receipt:
    description: Path of the receipt of the application on this host.
    type: path
    required: true
  install:
    description:
      - Look at the artifacts under an install path.
      - A mapping with the O(surefoot.release.install#module:path) option of M(surefoot.release.install).
    type: dict
  restart:
    description: Look at the service; a mapping with options of M(surefoot.release.restart).
    type: dict
  pool_member:
    description: Look at the place in the pool; a mapping with options of M(surefoot.release.pool_member).
    type: dict
  migrate:
    description: Look at the database; a mapping with options of M(surefoot.release.migrate).
    type: dict
  flush_cache:
    description: Look at the cache; a mapping with options of M(surefoot.release.flush_cache).
    type: dict
  enable_feature:
    description: Look at the flag; a mapping with options of M(surefoot.release.enable_feature).
    type: dict
  secrets:
    description:
      - The options of the kinds above that must not be shown, by kind, such as the C(url) of C(migrate).
      - Such an option under its kind itself is refused.
    type: json
  scope:
    description:
      - The scope of a release as P(surefoot.release.scope#lookup) gives it.
      - Fills the options above from the role variables of the host (C(install_path), C(restart_service), …), for each kind of step the host is for.
    type: dict
"""

EXAMPLES = r"""
- name: Note that the API is out
  surefoot.release.receipt:
    receipt: /var/lib/surefoot/bookshop.json
    app: bookshop
    feature: reviews
    release: reviews-api
    digest: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    install:
      path: /opt/bookshop
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(receipt).
      type: str
      returned: always
    needed:
      description: Whether the receipt had to be written.
      type: bool
      returned: always
    reason:
      description: Why, in words.
      type: str
      returned: always
    before:
      description: The C(live_version), C(verified_versions) and the last entry as C(last) of the receipt found.
      type: dict
      returned: always
    after:
      description: The same of the receipt written; in check mode of the one that would be.
      type: dict
      returned: always
    impact:
      description: Empty; nobody notices a receipt.
      type: dict
      returned: always
    undo:
      description: Always V(null); a receipt is only ever added to.
      type: dict
      returned: always
    reversible:
      description: Always V(true).
      type: bool
      returned: always
    duration_ms:
      description: How long it took on the host, in milliseconds.
      type: int
      returned: always
undeclared:
  description: What changed though the release did not declare it, each with C(kind) and C(reason); the module fails when there is any.
  returned: when something undeclared was found
  type: list
  elements: dict
hosts:
  description: The hosts of each kind of step.
  returned: when O(scope) was given
  type: dict
asked:
  description: What the survey asked, by kind, without secrets.
  returned: when O(scope) was given
  type: dict
survey:
  description: What the host holds; V(null) for each kind that was not asked for.
  returned: success, and when something undeclared was found
  type: dict
  contains:
    receipt:
      description: What has been released here, by C(app), C(environment), C(live_version), C(verified_versions) and C(releases).
      type: dict
      returned: always
    receipt_problem:
      description: Why no receipt could be written here, V(null) where nothing speaks against it.
      type: str
      returned: always
    artifacts:
      description: The C(live) and C(staged) artifacts, and a C(problem) where the live link is not as an installation leaves it.
      type: dict
      returned: always
    service:
      description:
        - Whether the service is C(running), its C(pid), C(version) and C(started_at), and whether it is C(stale), with the C(reason).
        - C(ticks) is when its process was started in ticks of the kernel since the host did, which no change of a clock moves.
        - Under C(others) the same of each unit that goes with it, with its C(name).
      type: dict
      returned: always
    pool:
      description: The C(state) in the pool, V(in_pool), V(drained) or V(unknown), and whether its balancer finds it C(up), where that tells.
      type: dict
      returned: always
    migrations:
      description:
        - The C(current), C(applied), C(pending) and C(unknown) migrations, and C(drift) where an applied one was edited.
        - The C(version) whose artifact was read, and which of the pending ones are C(irreversible), which is without a way down.
      type: dict
      returned: always
    cache:
      description: The C(stored) and the C(declared) fingerprint of the cached shapes, and whether a flush is C(needed).
      type: dict
      returned: always
    flag:
      description:
        - The C(audience) of the flag, and whether it is C(foreign), which is edited by another hand, and C(forced) where it may be taken over all the same.
        - Under C(others) the same of the other flags that releases set, each with its name as C(flag).
      type: dict
      returned: always
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import receipt
from ansible_collections.surefoot.release.plugins.module_utils.validation import validate


def main() -> None:
    receipt.run(AnsibleModule(**receipt.SIGNATURE, supports_check_mode=True), validate)


if __name__ == "__main__":
    main()
