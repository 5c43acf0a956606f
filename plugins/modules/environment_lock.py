#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: environment_lock
short_description: Let one controller at a time release to an environment
version_added: "0.1.0"
description:
  - Holds, refreshes, releases or reads a lock that stands with the environment, as a file on one of its hosts. So it also keeps controllers apart that have
    nothing else in common.
  - Run it on one host only, and on the same host from every controller. The role P(surefoot.release.lock#role) sees to that.
  - A holder has to be refreshed before its O(ttl) is over. One that is not counts as dead and is taken over by the next who asks. A living one is never robbed.
  - The seconds are counted by the uptime of the lock host. Its wall clock may be set back or forward, and the clocks of controllers do not matter.
  - After a restart of the lock host a holder that does not beat again counts as dead when the host has been up for longer than the O(ttl) of that holder.
  - A holder on the same controller whose process is gone is taken over at once, and so is an C(ansible-playbook) that ended without releasing.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
options:
  app:
    description: The application; each has a lock of its own.
    type: str
    required: true
  path:
    description: The directory of the lock on the host. The file in it is called after O(app), with C(.lock) at its end.
    type: path
    default: /var/lib/surefoot
  state:
    description:
      - V(held) takes the lock, or refreshes it if it is held under the same O(token).
      - V(refreshed) says that the holder lives, and fails when the lock was lost. Whoever held it must stop then.
      - V(released) gives it back. A lock that nobody holds is left alone, one that another holds is an error.
      - V(kept) refreshes it every quarter of O(ttl) as long as the file O(heart) is there and the process O(pid) lives.
      - V(read) only says who holds it.
    type: str
    choices: [held, refreshed, kept, released, read]
    default: held
  token:
    description:
      - Stands for the holder. Required for O(state=refreshed), O(state=kept) and O(state=released).
      - With O(state=held) a new one is made when it is left out.
    type: str
  owner:
    description: The person who holds it, as others will read it. By default the user on the controller.
    type: str
  host:
    description: The controller, as others will read it. By default its host name.
    type: str
  command:
    description: What the holder runs, as others will read it. By default the command line on the controller, without the values of variables given there.
    type: str
  pid:
    description: The process on the controller that holds the lock. By default that of C(ansible-playbook).
    type: int
  ttl:
    description: For how many seconds the lock is kept after it was taken, and after each refresh. At most a day.
    type: float
    default: 60
  within:
    description:
      - With O(state=refreshed) the host is not asked where the same C(ansible-playbook) had a good answer within that many seconds. Until O(ttl) is over
        nobody takes over, so a small share of it is enough.
      - A lock that was removed by hand is noticed that much later.
    type: float
    default: 0
  heart:
    description:
      - A file on the controller that the holder made, for O(state=kept). Its modification time is when the last good beat was begun, by the clock of that
        machine that counts from its start.
      - Without a good beat for half of O(ttl) the module fails, so that the holder stops its work before it counts as dead.
    type: path
  process:
    description: What tells on the controller whether the process still lives. Filled in by the action plugin.
    type: dict
  gone:
    description: The token of a holder that is known to be dead. Filled in by the action plugin, for a process of the same controller.
    type: str
seealso:
  - module: surefoot.release.fleet_guard
"""

EXAMPLES = r"""
- name: Take the lock
  surefoot.release.environment_lock:
    app: bookshop
    ttl: 3600
  delegate_to: shop1
  run_once: true
  register: lock

- name: Say that we live
  surefoot.release.environment_lock:
    app: bookshop
    state: refreshed
    token: "{{ lock.lock.token }}"
  delegate_to: shop1
  run_once: true

- name: Give it back
  surefoot.release.environment_lock:
    app: bookshop
    state: released
    token: "{{ lock.lock.token }}"
  delegate_to: shop1
  run_once: true
"""

RETURN = r"""
reason:
  description: What was found and decided, in words.
  returned: success
  type: str
lock:
  description: The holder after the module ran, V(null) if there is none. In check mode the one that would be.
  returned: success
  type: dict
  contains: &entry
    app:
      description: The application.
      type: str
      returned: always
    token:
      description: Stands for the holder.
      type: str
      returned: always
    owner:
      description: The person.
      type: str
      returned: always
    host:
      description: The controller.
      type: str
      returned: always
    pid:
      description: The process on the controller.
      type: int
      returned: always
    command:
      description: What it runs.
      type: str
      returned: always
    since:
      description: When it took the lock, by the wall clock of the lock host.
      type: str
      returned: always
    beat:
      description: When it was refreshed last, by the wall clock of the lock host.
      type: str
      returned: always
    ttl:
      description: For how many seconds it is kept after that.
      type: float
      returned: always
    age:
      description: The seconds since then by the uptime of the lock host, or the uptime if the host was restarted since.
      type: float
      returned: always
    expired:
      description: Whether the holder counts as dead.
      type: bool
      returned: always
    process:
      description: What tells on the controller whether the process still lives.
      type: dict
      returned: always
    boot:
      description: The start of the lock host in which it was refreshed last.
      type: str
      returned: always
    uptime:
      description: The uptime of the lock host then.
      type: float
      returned: always
    lock:
      description: The format of the entry.
      type: int
      returned: always
taken_over:
  description: The dead holder from whom the lock was taken over, V(null) if there was none.
  returned: success
  type: dict
  contains: *entry
holder:
  description: Who holds the lock.
  returned: when O(state=held) fails because a living holder has it
  type: dict
  contains: *entry
lost:
  description: Whether it is certain that the lock is not held under O(token).
  returned: failure
  type: bool
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused), V(Held) or V(Lost), its C(message), what was C(seen), and what there is C(todo).
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import environment_lock


def main() -> None:
    environment_lock.run(AnsibleModule(**environment_lock.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
