#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_member
short_description: Take a member out of its pool without losing a request, and put it back
version_added: "0.1.0"
description:
  - With O(state=drained), no new user is sent to the member, and the step is done when the balancer has noticed and the open requests have ended.
    A member that is drained already is waited for as well, because a run that was killed may have left it half drained.
  - With O(state=in_pool), the member is put back, and the step is done when it is seen to serve. A member that is not healthy is not put back.
  - A member that somebody else took out is left out, with a warning. That is a drain file without surefoot's mark, or a server of HAProxy in maintenance.
  - Another step on the same member that is still at work on the host, such as one that a killed controller left there, is waited for up to a minute, and then
    named in a refusal; on Linux only.
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
    description: Works on any POSIX host.
options:
  backend:
    description:
      - What decides who is sent where.
      - V(file) is a file on the member. While it is there, the application answers the health check of its balancer with 503.
      - V(command) runs the O(commands) given.
      - V(haproxy) speaks to the admin socket of each HAProxy before the member.
      - V(none) does nothing, for a service that no pool stands before.
    type: str
    required: true
    choices: ["none", file, command, haproxy]
  state:
    description:
      - Where the member should be.
    type: str
    default: drained
    choices: [drained, in_pool]
  path:
    description:
      - The drain file of O(backend=file). Its directory must exist.
    type: path
  commands:
    description:
      - How O(backend=command) moves the member. Each command is a list of arguments and runs without a shell.
    type: dict
    suboptions:
      drain:
        description:
          - Takes the member out of the pool.
        type: list
        elements: str
        required: true
      restore:
        description:
          - Puts the member back.
        type: list
        elements: str
        required: true
      status:
        description:
          - Prints V(in_pool) or V(drained) and ends with 0.
          - Without it the state before is unknown, so each run moves the member.
        type: list
        elements: str
  haproxy_sockets:
    description:
      - The admin socket of each HAProxy before the member, as a path or as C(host:port). Each needs C(level admin).
    type: list
    elements: str
    default: []
  haproxy_backend:
    description:
      - The backend (C(be_name)) of HAProxy that the member is in.
    type: str
  haproxy_server:
    description:
      - The name of the member in that backend.
    type: str
  observe_url:
    description:
      - What the balancer asks. A drained member is waited for until it answers something else than 200 to 299 there, or nothing; a member put back
        until it answers 200 to 299.
    type: str
  settle:
    description:
      - How many seconds the balancer may take to notice, for example its check interval times the number of failures it wants to see.
    type: float
    default: 0
  connections_url:
    description:
      - Answers a JSON object with the number of open requests. Where nobody listens, no request is open.
      - With V(haproxy) the balancer's own count of sessions and queue is used where this is not given.
    type: str
  connections_key:
    description:
      - The key of that number; dots reach into nested objects.
    type: str
    default: connections
  connections_idle:
    description:
      - The number answered when nothing is open, for applications that count the question itself.
    type: int
    default: 0
  timeout:
    description:
      - How many seconds each wait may take.
    type: float
    default: 60
  interval:
    description:
      - How many seconds lie between two looks.
    type: float
    default: 0.2
  on_timeout:
    description:
      - What to do about requests that are still open after O(timeout). V(proceed) accepts that they will be cut off, and reports how many.
    type: str
    default: fail
    choices: [fail, proceed]
  health_url:
    description:
      - Asked before the member is put back.
      - It must tell of the service itself. A URL that answers 503 while the member is drained would keep it out for ever.
    type: str
  health_status:
    description:
      - The status of O(health_url) that counts as healthy.
    type: int
    default: 200
  health_headers:
    description:
      - Headers to ask all URLs with. They are never reported. Values of headers that by their name carry a credential are masked in all output.
    type: dict
    default: {}
  health_validate_certs:
    description:
      - Whether certificates are checked.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Send nobody here, and wait until open requests have ended
  surefoot.release.pool_member:
    backend: file
    path: /run/bookshop/drain
    state: drained
    observe_url: http://127.0.0.1:8000/health
    settle: 3
    connections_url: http://127.0.0.1:8000/status

- name: Put it back if it is healthy
  surefoot.release.pool_member:
    backend: file
    path: /run/bookshop/drain
    state: in_pool
    health_url: http://127.0.0.1:8000/live
    observe_url: http://127.0.0.1:8000/health

- name: Drain it on both balancers
  surefoot.release.pool_member:
    backend: haproxy
    haproxy_sockets: ["192.0.2.1:9999", "192.0.2.2:9999"]
    haproxy_backend: bookshop
    haproxy_server: "{{ inventory_hostname }}"
    timeout: 30
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(pool_member).
      type: str
      returned: always
      sample: pool_member
    needed:
      description: Whether the member had to be moved.
      type: bool
      returned: always
    reason:
      description: Why, as a sentence.
      type: str
      returned: always
      sample: "drain needed: there is no /run/bookshop/drain"
    before:
      description: The C(state) before, V(in_pool), V(drained) or V(unknown).
      type: dict
      returned: always
      sample: {state: in_pool}
    after:
      description: The C(state) after. A member that somebody else took out stays V(drained).
      type: dict
      returned: always
      sample: {state: drained}
    impact:
      description: After a drain, C(wait_ms) it took, and C(open_requests) left when it was over (null where nothing tells).
      type: dict
      returned: always
      sample: {wait_ms: 3120, open_requests: 0}
    undo:
      description: The C(state) to go back to; null where nothing was changed.
      type: dict
      returned: always
      sample: {state: in_pool}
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
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused), V(Busy) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - V(Busy) is a refusal because another is at work on the same; nothing was changed.
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import pool_member


def main() -> None:
    pool_member.run(AnsibleModule(**pool_member.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
