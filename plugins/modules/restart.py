#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Restart a service that does not run what is live, and wait until it is healthy
version_added: "0.1.0"
description:
  - Restarts a service only where it is stale, which means that its process does not run the release that is live, or where it does not run at all.
  - What a process runs is read from its working directory or its executable, which the kernel keeps whatever the clocks did. Where those lie outside the
    releases, the service is asked for its version; where it cannot be asked, the time it was started is compared with the time the live link was made.
  - The step is done when the service is healthy. The health check runs also where no restart was needed, because a run that was killed may have left
    a service half started. It asks at once and then every O(health_interval), until O(health_timeout).
  - A good answer counts only if the process that the service manager started is the same before and after it. A service that dies and is started again
    and again, or that goes down and stays down, fails the step before the timeout.
  - The module takes no member out of a pool and puts none back; see M(surefoot.release.pool_member) for that.
author:
  - surefoot maintainers (@surefoot)
attributes:
  check_mode:
    support: full
    description: Surveys only, and reports what would be done.
  diff_mode:
    support: full
    description: Shows the state before and after.
  platform:
    support: full
    platforms: posix
    description: Needs the C(/proc) of Linux.
options:
  manager:
    description:
      - What runs the service.
      - V(systemd) is asked through C(systemctl).
      - V(supervisor) is asked over the socket that O(supervisor_config) names.
      - V(command) runs the O(commands) given.
    type: str
    required: true
    choices: [systemd, supervisor, command]
  service:
    description:
      - The unit of systemd, or the program of supervisord (C(program) or C(group:program)).
      - With O(manager=command) only a name to show.
    type: str
    required: true
  path:
    description:
      - Where the application is installed; what is live is the release that C(current) below it points to.
      - Without it a service is restarted only if it does not run, answers another version than O(expect_version), or with O(force).
    type: path
  supervisor_config:
    description:
      - The configuration of supervisord.
      - The usual places below C(/etc) are looked at where it is not given.
    type: path
  commands:
    description:
      - How O(manager=command) handles the service. Each command is a list of arguments and runs without a shell.
    type: dict
    suboptions:
      start:
        description:
          - Starts the service and ends.
          - What it leaves running must not keep its output open.
        type: list
        elements: str
        required: true
      stop:
        description:
          - Tells the service to stop. The module itself waits until the process is gone.
        type: list
        elements: str
        required: true
      status:
        description:
          - Ends with 0 if the service runs, and with anything else if it does not.
          - One of O(commands.status) and O(commands.pid_file) is needed.
        type: list
        elements: str
      pid_file:
        description:
          - The file that holds the number of the main process.
        type: path
  health_url:
    description:
      - Asked to tell whether the service is healthy.
      - It must tell of the service itself. A URL that answers 503 while the member is drained can never get healthy here.
      - Redirects are not followed and no proxy is used.
      - Without it a service counts as healthy when it runs for O(stable_for).
    type: str
  health_status:
    description:
      - The status that counts as healthy.
    type: int
    default: 200
  health_timeout:
    description:
      - How many seconds the service may take to get healthy.
    type: float
    default: 60
  health_interval:
    description:
      - How many seconds lie between two questions.
    type: float
    default: 0.2
  health_headers:
    description:
      - Headers to ask with. They are never reported. Values of headers that by their name carry a credential are masked in all output.
    type: dict
    default: {}
  health_validate_certs:
    description:
      - Whether certificates are checked.
    type: bool
    default: true
  version_url:
    description:
      - Asked for the version that runs. O(health_url) is asked where only O(version_key) or O(version_header) is given.
    type: str
  version_key:
    description:
      - The key under which the version stands in a JSON object; dots reach into nested objects.
      - V(version) where only O(version_url) is given.
    type: str
  version_header:
    description:
      - The header of the answer that holds the version.
    type: str
  expect_version:
    description:
      - The version that the service should answer.
      - The live version where it is not given.
      - The first version answered decides. Another one than this fails the step at once.
    type: str
  force:
    description:
      - Restart also where nothing is stale.
    type: bool
    default: false
  stop_timeout:
    description:
      - How many seconds the service may take to stop. It is then neither killed nor started a second time.
      - For V(systemd) its own C(TimeoutStopSec) applies instead.
    type: float
    default: 30
  stable_for:
    description:
      - For how many seconds answers must be good, from one and the same process, before they are believed.
      - Where it is not given, the first good answer is enough, and without anything to ask 1.5 seconds of running are.
      - A process that follows one that died by itself is watched for 1.5 seconds at least.
    type: float
  member_drained:
    description:
      - Whether this member is out of its pool. It changes nothing but what a failure and RV(step.impact) say about users.
    type: bool
"""

EXAMPLES = r"""
- name: Run what is live
  surefoot.release.restart:
    manager: systemd
    service: bookshop.service
    path: /srv/bookshop
    health_url: http://127.0.0.1:8000/live
    version_key: version

- name: Restart a program of supervisord after its configuration changed
  surefoot.release.restart:
    manager: supervisor
    service: bookshop
    supervisor_config: /etc/supervisor/supervisord.conf
    health_url: http://127.0.0.1:8000/live
    force: true

- name: Restart a service that has an init script only
  surefoot.release.restart:
    manager: command
    service: bookshop
    path: /srv/bookshop
    commands:
      start: [/etc/init.d/bookshop, start]
      stop: [/etc/init.d/bookshop, stop]
      pid_file: /run/bookshop.pid
    health_url: http://127.0.0.1:8000/live
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(restart).
      type: str
      returned: always
      sample: restart
    needed:
      description: Whether a restart was needed.
      type: bool
      returned: always
    reason:
      description: Why, as a sentence.
      type: str
      returned: always
      sample: "restart needed: bookshop runs 1.0.0, 2.0.0 is live"
    before:
      description:
        - What ran before. C(running) says whether anything did, C(version) which release (null where nothing tells), C(started_at) since when, in
          seconds since the epoch.
      type: dict
      returned: always
      sample: {running: true, version: 1.0.0, started_at: 1767225600.12}
    after:
      description:
        - What runs now, in the same keys. In check mode C(started_at) is null where a restart would be done.
      type: dict
      returned: always
      sample: {running: true, version: 2.0.0, started_at: 1767229200.5}
    impact:
      description:
        - C(unavailable_ms) are the milliseconds from the order to stop until the first good answer; 0 without a restart, null in check mode.
        - C(drained) is what O(member_drained) says.
      type: dict
      returned: always
      sample: {unavailable_ms: 840, drained: true}
    undo:
      description: An empty dictionary after a restart, because going back is another restart once the version before is live; null without one.
      type: dict
      returned: always
    reversible:
      description: Always true.
      type: bool
      returned: always
    duration_ms:
      description: The time spent on the host.
      type: int
      returned: always
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.health import secrets_in
from ansible_collections.surefoot.release.plugins.module_utils.service.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.service.restart import perform
from ansible_collections.surefoot.release.plugins.module_utils.step import run_step


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.no_log_values.update(secrets_in(module.params))
    run_step(module, lambda: perform(module.params, check_mode=module.check_mode, run=module.run_command))


if __name__ == "__main__":
    main()
