#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flush_cache
short_description: Flush cached entries when their shape changed
version_added: "0.1.0"
description:
  - Flushes the entries of a cache under one prefix when the shape of what an application caches changed, and only then.
  - Whether it changed follows from a fingerprint, a digest of the files that shape the entries, compared with the one kept in the cache itself. So it is right
    after a lost cache, a restored one and a rollback too.
  - Entries under other prefixes are never touched.
  - Another flush of the same that is still at work on the host, such as one that a killed controller left there, is waited for up to a minute, and then named
    in a refusal; on Linux only.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
  - surefoot.release.at_work
notes:
  - Flush when the last old process is gone, or it fills the cache with old shapes again.
  - The fingerprint is kept under the prefix followed by C(__surefoot_fingerprint__).
  - The V(redis) backend needs the C(redis) Python library on the host, and one server, not a cluster.
options:
  backend:
    description:
      - Where the entries are.
      - V(redis) finds them with C(SCAN) and removes them with C(UNLINK), in pipelines.
      - V(files) is a directory with one file per entry, named by the key, percent-encoded as Python's C(urllib.parse.quote(key, safe="")) does.
    type: str
    required: true
    choices: [redis, files]
  url:
    description: The Redis database, such as V(redis://user:password@cache.example:6379/0). Required by the V(redis) backend.
    type: str
  path:
    description: The directory of the entries. Required by the V(files) backend.
    type: path
  prefix:
    description: What the keys of the entries begin with, literally; it cannot be empty.
    type: str
    required: true
  shapes:
    description:
      - Globs, relative to O(root), of the files that decide what cached entries look like, such as templates and serializers.
      - A glob that matches a directory stands for every file below it, C(__pycache__) aside.
      - Without O(shapes), O(version) is needed.
    type: list
    elements: str
    default: []
  root:
    description: The directory O(shapes) are relative to, as a rule the live release. Required with O(shapes).
    type: path
  version:
    description: Any text; when it changes, the fingerprint changes.
    type: str
    default: ""
  state:
    description:
      - V(flushed) flushes where that is needed.
      - V(recorded) writes the fingerprint down and flushes nothing.
    type: str
    choices: [flushed, recorded]
    default: flushed
  initial:
    description:
      - What to do about a cache that holds entries but no fingerprint. A cache that holds nothing needs no flush.
      - V(flush) takes them for entries of unknown shape.
      - V(record) trusts them.
    type: str
    choices: [flush, record]
    default: flush
  force:
    description: Flush in any case.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Flush cached pages when templates or serializers changed
  surefoot.release.flush_cache:
    backend: redis
    url: redis://cache.example:6379/0
    prefix: "page:"
    root: /opt/bookshop/current
    shapes:
      - bookshop/serializers.py
      - bookshop/templates

- name: Flush files of one cache when this version comes
  surefoot.release.flush_cache:
    backend: files
    path: /var/cache/bookshop
    prefix: "page:"
    version: "2.1.0"
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(flush_cache).
      type: str
      returned: always
      sample: flush_cache
    needed:
      description: Whether a flush is needed.
      type: bool
      returned: always
    reason:
      description: Why, as a sentence.
      type: str
      returned: always
      sample: "no flush needed: cached shapes unchanged (3fa9c01b77de)"
    before:
      description:
        - The C(fingerprint) the cache held, or V(null), and, where a flush is needed, the number of C(entries) under the prefix.
      type: dict
      returned: always
    after:
      description:
        - The C(fingerprint) it holds now, and after a flush the number of C(entries) under the prefix, which are those cached anew since.
      type: dict
      returned: always
    impact:
      description: C(entries_removed), after a flush.
      type: dict
      returned: always
    undo:
      description: The C(prefix) to flush again with the release that is gone back to; V(null) where nothing changed.
      type: dict
      returned: always
    reversible:
      description: Always V(true), as an application fills its cache again.
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

from ansible_collections.surefoot.release.plugins.module_utils.entry import flush_cache


def main() -> None:
    flush_cache.run(AnsibleModule(**flush_cache.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
