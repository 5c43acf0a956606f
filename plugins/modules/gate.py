#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Ask whether a release may go on
version_added: "0.1.0"
description:
  - Asks one gate, over HTTP or by a command, until it passes or its time is up, and fails unless it passed.
  - The verdict is V(passed), V(failed), V(inconclusive) or V(error). Only V(passed) lets a release go on. An error means that the gate itself could not be
    asked, such as a command that is not there or a certificate that is not trusted, and says nothing about the release.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.read_only
options:
  name:
    description: What the gate is called in output.
    type: str
    required: true
  http:
    description:
      - Ask an HTTP server.
      - No answer at all counts as a wrong answer, as it would for a user.
    type: dict
    suboptions:
      url:
        description: What to ask for.
        type: str
        required: true
      method:
        description: The HTTP method.
        type: str
        default: GET
      headers:
        description: Headers to send. Values of those whose names tell of a credential, such as C(Authorization), are masked in output.
        type: dict
        default: {}
      body:
        description: A body to send.
        type: str
      expect:
        description: The status that passes.
        type: int
        default: 200
      contains:
        description: Text the first MiB of the answer must contain.
        type: str
      lacks:
        description: Text the first MiB of the answer must not contain.
        type: str
      follow_redirects:
        description: Whether to follow redirects instead of judging them.
        type: bool
        default: false
      validate_certs:
        description: Whether certificates must be valid.
        type: bool
        default: true
  command:
    description: Run a command without a shell, exactly as written; exit code 0 passes.
    type: list
    elements: str
  chdir:
    description: The directory the command runs in.
    type: path
  timeout:
    description: After how many seconds the gate must have passed.
    type: float
    default: 10
  interval:
    description:
      - How many seconds lie between two looks of an http gate.
      - A command is run once.
    type: float
    default: 0.2
"""

EXAMPLES = r"""
- name: Staff sees the reviews
  surefoot.release.gate:
    name: staff
    http:
      url: "{{ api }}/reviews"
      headers:
        X-User: staff
      expect: 200
  delegate_to: localhost
  run_once: true

- name: The smoke tests pass
  surefoot.release.gate:
    name: smoke
    command: [pytest, -q, tests/smoke]
    timeout: 180
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
gate:
  description: The verdict; also there when the module fails.
  returned: always
  type: dict
  contains:
    name:
      description: The name of the gate.
      type: str
      returned: always
    verdict:
      description: V(passed), V(failed), V(inconclusive) or V(error).
      type: str
      returned: always
    seen:
      description: What the last look saw.
      type: str
      returned: always
      sample: status 503 instead of 200
    samples:
      description: How often it was asked.
      type: int
      returned: always
    waited:
      description: How long it was asked, in seconds.
      type: float
      returned: always
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), its C(message), what was C(seen), and what there is C(todo).
    - What was seen and what there is to do may be V(null).
  returned: when the gate could not be asked with these options
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import gate


def main() -> None:
    gate.run(AnsibleModule(**gate.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
