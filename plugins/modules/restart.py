#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Restart services that do not run what is live, and wait until they are healthy
version_added: "0.1.0"
description:
  - Restarts a service only where it is stale, which means that its process does not run the release that is live, or where it does not run at all.
  - What a process runs is read from its working directory or its executable, which the kernel keeps whatever the clocks did. Where those lie outside the
    releases, the service is asked for its version; where it cannot be asked, the time it was started is compared with the time the live link was made.
  - The step is done when the service is healthy. The health check runs also where no restart was needed, because a run that was killed may have left
    a service half started. It asks at once and then every O(health_interval), until O(health_timeout).
  - A good answer counts only if the process that the service manager started is the same before and after it. A service that dies and is started again
    and again, or that goes down and stays down, fails the step before the timeout.
  - Several units that belong together, such as workers and the service that users reach, are brought to what is live in the order of O(services), each
    only where it is stale, and the next one only when the one before is healthy. All of them are looked at before the first is touched.
  - By O(method) a service can be reloaded instead. That is believed only when it answers the version that is live and no worker process from before is
    left, which is also how it is told afterwards whether it is stale.
  - Another restart of the same that is still at work on the host, such as one that a killed controller left there, is waited for up to a minute, and then named
    in a refusal.
  - The module takes no member out of a pool and puts none back; see M(surefoot.release.pool_member) for that.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.at_work
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
      - Of several O(services) the one that users reach. O(health_url), the version options, O(commands), O(method) and O(reload_signal) are about this one.
    type: str
    required: true
  services:
    description:
      - All units of this host that run what is live, O(service) among them, in the order in which they are restarted.
      - Where it is not given, O(service) is the only one.
      - A unit that nobody can ask, as workers often are, is healthy when it runs for its C(stable_for) without dying.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The unit, as in O(service).
        type: str
        required: true
      method:
        description:
          - As O(method), which is about O(service) alone; another unit is restarted where it does not say otherwise.
        type: str
        choices: [restart, reload, auto]
      reload_signal:
        description:
          - As O(reload_signal).
        type: str
      commands:
        description:
          - As O(commands).
        type: dict
        suboptions: &commands
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
          reload:
            description:
              - Tells the service to take over what is live without stopping.
            type: list
            elements: str
          status:
            description:
              - Ends with 0 if the service runs, and with anything else if it does not.
              - One of C(status) and C(pid_file) is needed.
            type: list
            elements: str
          pid_file:
            description:
              - The file that holds the number of the main process.
            type: path
      health_url:
        description:
          - As O(health_url).
        type: str
      health_timeout:
        description:
          - As O(health_timeout), which holds where this one is not given.
        type: float
      version_url:
        description:
          - As O(version_url).
        type: str
      version_key:
        description:
          - As O(version_key).
        type: str
      version_header:
        description:
          - As O(version_header).
        type: str
      reload_timeout:
        description:
          - As O(reload_timeout), which holds where this one is not given.
        type: float
      stop_timeout:
        description:
          - As O(stop_timeout), which holds where this one is not given.
        type: float
      stable_for:
        description:
          - As O(stable_for), which holds where this one is not given.
        type: float
  method:
    description:
      - What is done about O(service) where it runs and is stale. One that does not run is started whatever is said here.
      - V(restart) stops and starts it.
      - V(reload) tells it to take over what is live without stopping, and fails where that is not enough within O(reload_timeout).
      - V(auto) reloads where the manager can do it and the service can be asked for its version, and restarts where it cannot, or where reloading was not
        enough.
      - systemd can reload a unit that has C(ExecReload). O(manager=supervisor) needs O(reload_signal), O(manager=command) needs O(commands.reload).
      - It is enough when the version answered is the one that is live, and every child of the main process is younger than the order to reload. A server that
        holds the application in its main process (gunicorn with C(--preload)) gets there only by a restart.
    type: str
    choices: [restart, reload, auto]
    default: restart
  reload_signal:
    description:
      - The signal that the program takes as an order to reload, such as V(HUP), for O(manager=supervisor).
      - There is no default, because a program that does not know it dies of it.
    type: str
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
    suboptions: *commands
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
  reload_timeout:
    description:
      - How many seconds a reload may take until nothing of the version before is left, the last requests of its workers included.
    type: float
    default: 30
  stop_timeout:
    description:
      - How many seconds the service may take to stop. It is then neither killed nor started a second time.
      - For V(systemd) its own C(TimeoutStopSec) applies instead.
    type: float
    default: 30
  stable_for:
    description:
      - For how many seconds answers must be good, from one and the same process, before they are believed.
      - Where it is not given, the first good answer is enough, and without anything to ask 1.5 seconds of running are, counted from the start of the process.
      - A process that follows one that died by itself is watched for 1.5 seconds at least.
    type: float
  member_drained:
    description:
      - Whether this member is out of its pool. It changes nothing but what a failure and RV(step.impact) say about users.
    type: bool
  activate:
    description:
      - A version to make live first, in the same run, as M(surefoot.release.install) does with C(state=live). Every further run on a host takes time in
        which a batch is out of its pool.
      - The version must be staged.
    type: dict
    suboptions:
      path:
        description: The directory the application is installed in.
        type: path
        required: true
      version:
        description: The version to make live.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Run what is live
  surefoot.release.restart:
    manager: systemd
    service: bookshop.service
    path: /srv/bookshop
    health_url: http://127.0.0.1:8000/live
    version_key: version

- name: Run what is live, the workers first, and the web server without closing its port
  surefoot.release.restart:
    manager: systemd
    service: bookshop.service
    services:
      - name: bookshop-worker.service
        stop_timeout: 120
      - name: bookshop.service
      - name: bookshop-scheduler.service
        stable_for: 5
    method: auto
    path: /srv/bookshop
    health_url: http://127.0.0.1:8000/live
    version_key: version

- name: Make a staged version live and run it
  surefoot.release.restart:
    manager: systemd
    service: bookshop.service
    path: /srv/bookshop
    activate:
      path: /srv/bookshop
      version: 2.0.0
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
      description: Why, as a sentence about each unit.
      type: str
      returned: always
      sample: "restart needed: bookshop runs 1.0.0, 2.0.0 is live"
    before:
      description:
        - What ran before. C(running) says whether anything did, C(version) which release (null where nothing tells), C(started_at) since when, in
          seconds since the epoch, by its main process.
        - Where there are several O(services), all this is about O(service), and C(others) holds the same of each other unit under its name.
      type: dict
      returned: always
      sample: {running: true, version: 1.0.0, started_at: 1767225600.12}
    after:
      description:
        - What runs now, in the same keys. In check mode C(started_at) is null where a restart would be done.
        - Where a reload was done, or would be, C(reloaded) is true.
      type: dict
      returned: always
      sample: {running: true, version: 2.0.0, started_at: 1767229200.5}
    impact:
      description:
        - C(unavailable_ms) are the milliseconds from the order to stop O(service) until the first good answer; 0 without a restart, null in check mode, and
          after a reload, during which nobody measures.
        - C(drained) is what O(member_drained) says.
      type: dict
      returned: always
      sample: {unavailable_ms: 840, drained: true}
    undo:
      description: An empty dictionary after a restart or reload, because going back is another one once the version before is live; null without one.
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
activation:
  description: What was found, decided and done to make the version in O(activate) live, as RV(surefoot.release.install#module:step).
  returned: success, when O(activate) is given
  type: dict
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused), V(Busy) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - V(Busy) is a refusal because another is at work on the same; nothing was changed.
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import restart


def main() -> None:
    restart.run(AnsibleModule(**restart.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
