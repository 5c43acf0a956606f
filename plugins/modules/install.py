#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: install
short_description: Stage a version of an application, or make it live
version_added: "0.1.0"
description:
  - Unpacks an artifact into a directory of its own, and makes it live by one atomic link.
  - A version is V(staged) when it is complete. Its artifact had the checksum asked for, was unpacked, linked to what is shared, and prepared, and only then
    recorded. A run that was killed leaves nothing that counts as staged, and the next run removes what it left and starts that version again.
  - The live version is never removed, and a version once staged never changes.
  - Which version is live follows from the link, and which are newest from the records. Modification times decide nothing.
  - The artifact is checked on the controller when it lies there, so that a wrong one reaches no host.
notes:
  - "Below O(path) there are C(releases/<version>/), C(current) linking to the live one, C(shared/), and C(.surefoot/) with the records and the lock."
  - An artifact is a tar archive, plain or compressed by gzip, bzip2 or xz, or a zip archive. What lies at its top goes to the top of the release; a single
    directory there is kept as it is.
  - Refused are archives with absolute names or C(..), links that lead out of the release, hard links to anything but an earlier file, devices, pipes, setuid
    and setgid files, two entries of one name, more than 200000 entries, and more than 8 GiB unpacked.
  - Files belong to the user who runs the module, so use C(become). They keep the modes of the archive as far as the umask allows, and are never writable by
    group or others.
  - A virtual environment works only at the path where it was made, so O(prepare) runs in C(releases/<version>/) itself. The directory can therefore be seen
    before it counts; ask M(surefoot.release.release_info), not the file system, whether a version is staged.
  - Staging, activating and removing hold a lock on O(path), which commands in O(prepare) inherit. A run waits for it for up to a minute.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
  - surefoot.release.at_work
options:
  path:
    description: The absolute directory the application lives in on the host. It is made where it is not there.
    type: path
    required: true
  version:
    description:
      - The version to stage or make live.
      - It begins with a letter or digit and holds letters, digits and C(. _ + -) only.
    type: str
    required: true
  state:
    description:
      - V(staged) makes the version complete on the host, but not live.
      - V(live) does that as well where it is missing, and then makes it live.
    type: str
    choices: [staged, live]
    default: live
  src:
    description:
      - The artifact. Not needed for a version that is staged already.
      - A path on the controller, or an address (C(https://), C(http://) or C(file://)) that the host itself fetches it from.
      - A relative path is looked for below the variable C(surefoot_root) if there is one, then as M(ansible.builtin.copy) does.
      - An address with a user or password in it is refused. The host uses C(~/.netrc).
    type: str
  sha256:
    description:
      - The SHA-256 checksum of the artifact, or a line as C(sha256sum) prints it.
      - Without it, that of the file on the controller is used. Give it for everything a host downloads.
      - A version that is staged already with another checksum is refused.
    type: str
  shared:
    description:
      - Paths inside the release that become links to C(shared/) below O(path), so that they outlive it. What the artifact holds there is replaced.
      - One that ends in C(/) is a directory and is made where it is missing. Any other must be there already.
      - They are linked when a version is staged, so a change takes effect with the next version.
    type: list
    elements: str
    default: []
  keep:
    description:
      - How many releases to keep for going back, besides the live one and the one being staged.
      - Older ones are removed when a version is staged. One that cannot be removed is a warning.
    type: int
    default: 5
  verified:
    description:
      - The versions that have proved themselves. Only they count for O(keep), so that bad ones push no good one out.
      - Without it every release counts.
    type: list
    elements: str
  prepare:
    description:
      - Commands that make the release complete, such as building a virtual environment, each a list of words. No shell is involved.
      - They run in the directory of the release. If one fails, the release is removed.
    type: list
    elements: list
    default: []
  environment:
    description:
      - Environment variables for O(prepare), as a mapping.
      - The values are not logged.
    type: json
  check_first:
    description:
      - Whether to ask the host if it needs an artifact of more than 4 MiB before uploading it. Smaller ones travel with the module, which takes less time
        than to ask.
      - V(false) saves one module run where it is known to be needed.
    type: bool
    default: true
  uploaded:
    description: Where the action plugin put the artifact on the host. Not for use in tasks.
    type: path
  content:
    description: The artifact itself, in Base64, from the action plugin. Not for use in tasks.
    type: str
"""

EXAMPLES = r"""
- name: Stage bookshop 2.0.0 without making it live
  surefoot.release.install:
    path: /srv/bookshop
    version: 2.0.0
    state: staged
    src: dist/bookshop-2.0.0.tar.gz
    shared: [uploads/, .env]
    prepare:
      - [python3, -m, venv, .venv]
      - [.venv/bin/pip, install, --no-index, --find-links, wheels, bookshop]
  become: true
  become_user: bookshop

- name: Make it live
  surefoot.release.install:
    path: /srv/bookshop
    version: 2.0.0
  become: true
  become_user: bookshop

- name: Let the host download the artifact
  surefoot.release.install:
    path: /srv/bookshop
    version: 2.0.0
    src: https://artifacts.example/bookshop-2.0.0.tar.gz
    sha256: "{{ lookup('ansible.builtin.file', 'bookshop-2.0.0.tar.gz.sha256') }}"
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(install).
      type: str
      returned: always
    needed:
      description: Whether anything had to be staged or made live.
      type: bool
      returned: always
    reason:
      description: Why, for people.
      type: str
      returned: always
      sample: "activation needed: 2.0.0 is staged, 1.0.0 is live"
    before:
      description: The live version (C(live), or null) and the checksum of the artifact of each staged version (C(staged)).
      type: dict
      returned: always
      sample: {"live": "1.0.0", "staged": {"1.0.0": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}
    after:
      description: The same afterwards; in check mode as it would be. There the checksum of a download without O(sha256) is null.
      type: dict
      returned: always
    impact:
      description: Empty, for users notice nothing of a link that changed until something is restarted.
      type: dict
      returned: always
    undo:
      description: The version that was live before, as C(version), if another one is live now.
      type: dict
      returned: always
      sample: {"version": "1.0.0"}
    reversible:
      description: Whether the version that was live before can be made live again.
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

from ansible_collections.surefoot.release.plugins.module_utils.entry import install


def main() -> None:
    install.run(AnsibleModule(**install.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
