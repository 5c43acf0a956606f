#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Survey what a host really holds
version_added: "0.1.0"
description:
  - Reads in one round trip the receipt, the live and the staged artifacts, what the service runs and since when, and, where asked for, the state of the
    database, the cache, the flag and the pool.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.read_only
options:
  receipt:
    description: Path of the receipt of the application on this host.
    type: path
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
  wait:
    description:
      - For how many seconds to wait for steps that are at work on the host, and to survey again, telling which those are.
      - What is still at work then is in RV(at_work).
    type: float
    default: 0
  known:
    description:
      - A JSON file on the controller with surveys by host, each C({survey, asked}) as this module returned them a moment ago.
      - One that was asked all that is asked now is the answer, and the host is not asked again. The runner gives what it surveyed under the same lock.
    type: path
  begin:
    description:
      - A file that appears on the controller when the survey may begin. It is waited for as long as the run goes on.
      - It holds a JSON mapping with the O(artifacts) to tell of. The runner starts its run of a release while it asks for the lock.
    type: path
  artifacts:
    description:
      - Versions of which the controller is to tell the digest of the artifact, by C(install_sha256) or by the file C(install_artifact) names, where it can.
      - Goes with O(scope). The first host of the play that installs answers for all.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: See what is live and what runs
  surefoot.release.release_info:
    receipt: /var/lib/surefoot/bookshop.json
    install:
      path: /opt/bookshop
    restart:
      manager: systemd
      service: bookshop
      path: /opt/bookshop
  register: found
"""

RETURN = r"""
artifacts:
  description: The SHA-256 of the artifact of each version in O(artifacts) that is known on the controller.
  returned: by one host, when O(artifacts) was given
  type: dict
at_work:
  description:
    - The steps that are at work on the host for the application with the O(receipt), whoever began them; on Linux only.
    - A step that is not among them any more has left all that the survey holds.
  returned: when O(receipt) was given and the host was asked
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of step.
      type: str
      returned: always
      sample: restart
    what:
      description: What it is at work on, such as the version, the service, the migration, the flag or the prefix, shortened.
      type: str
      returned: always
      sample: bookshop.service
    pid:
      description: Its process; V(null) where that is not to be seen, like the following.
      type: int
      returned: always
    user:
      description: The number of the user it runs as.
      type: int
      returned: always
    since:
      description: When it began, in seconds since the epoch.
      type: float
      returned: always
    seconds:
      description: For how many seconds it has been at work.
      type: float
      returned: always
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
  returned: success
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
    - The failure as data, with its C(kind), V(InvalidInput) or V(Refused), its C(message), what was C(seen), and what there is C(todo).
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import release_info
from ansible_collections.surefoot.release.plugins.module_utils.validation import validate


def main() -> None:
    release_info.run(AnsibleModule(**release_info.SIGNATURE, supports_check_mode=True), validate)


if __name__ == "__main__":
    main()
