# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: scope
author: surefoot maintainers (@surefoot)
version_added: "0.1.0"
short_description: Read one release and where its steps are done
description:
  - Reads the project file and a feature file, checks them, and gives one release together with the releases before it, its gates and the hosts of each phase.
  - The playbooks of this collection use it for their C(hosts:) and C(serial:), so that a release for which no host is there stops before anything is done.
options:
  _terms:
    description:
      - The feature, by name (V(reviews) is read from C(features/reviews.yml) beside the project file) or by path.
      - A mapping is taken as the content of a feature file.
    required: true
    type: list
    elements: raw
  release:
    description:
      - The name of the release.
      - Needed unless O(whole_feature) or O(decided) is set.
    type: str
    default: ""
  whole_feature:
    description: Give the scope of all releases of the feature together, which is only good for a survey.
    type: bool
    default: false
  decided:
    description:
      - A file that says which O(release) it is, in a JSON mapping, once that is decided. It is waited for as long as the run goes on.
    type: str
    default: ""
  project:
    description: Path of the project file.
    type: path
    default: surefoot.yml
  resolve:
    description:
      - Resolve the variables that gates use.
      - Works in tasks, where the variables of a host are there, and not in the keywords of a play.
    type: bool
    default: false
  trusted:
    description: Whether templates in the feature file are followed. What comes from hosts is not to be trusted.
    type: bool
    default: true
seealso:
  - module: surefoot.release.plan_release
"""

EXAMPLES = r"""
- name: See which hosts a release touches
  ansible.builtin.debug:
    msg: "{{ lookup('surefoot.release.scope', 'reviews', release='reviews-api').survey }}"
"""

RETURN = r"""
_raw:
  description:
    - One mapping with C(app), C(feature), C(root), C(release), C(earlier), C(hosts) and C(batches), and with a host pattern for each phase.
  type: list
  elements: dict
"""

import json
import os
import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, SurefootError
from ansible_collections.surefoot.release.plugins.plugin_utils.awaited import awaited
from ansible_collections.surefoot.release.plugins.plugin_utils.scope import NOWHERE, scope_of, with_names

_KNOWN: dict[t.Hashable, dict[str, t.Any]] = {}


class LookupModule(LookupBase):
    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        self.set_options(var_options=variables, direct=kwargs)
        if context.CLIARGS.get("syntax"):
            # Whoever checks the syntax of a playbook, as linters do, has named neither an inventory nor a release.
            return [
                dict.fromkeys(("survey", "stage", "migrate", "roll", "flush_cache", "enable_feature"), NOWHERE) | {"batches": [1], "release": {}, "root": "."}
            ]
        path = os.path.abspath(self.get_option("project"))
        try:
            features = [self._content(term, os.path.dirname(path)) for term in terms]
            release = None if self.get_option("whole_feature") else self._named("release", self.get_option("release") or self._decided())
            scopes = [self._scope(path, feature, release, (variables or {}).get("groups") or {}) for feature in features]
        except SurefootError as error:
            raise AnsibleLookupError(str(error)) from error
        return [self._resolved(scope) if self.get_option("resolve") else scope for scope in scopes]

    def _decided(self) -> str:
        path = self.get_option("decided")
        return str(awaited(path)["release"]) if path else ""

    def _scope(self, path: str, feature: t.Mapping[str, t.Any] | str, release: str | None, groups: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
        """The scope, of files worked out once in a run: it is a variable of plays, and every task on every host would work it out again."""
        if isinstance(feature, t.Mapping):
            return self._worked_out(path, feature, release, groups)
        key = (_stamp(path), _stamp(feature), release, self.get_option("trusted"), json.dumps(groups, default=list))
        if key not in _KNOWN:
            _KNOWN[key] = self._worked_out(path, feature, release, groups)
        return _KNOWN[key]

    def _worked_out(self, path: str, feature: t.Mapping[str, t.Any] | str, release: str | None, groups: t.Mapping[str, t.Sequence[str]]) -> dict[str, t.Any]:
        inventory = self._inventory(groups)
        project = self._load(path)
        content = feature if isinstance(feature, t.Mapping) else self._load(feature, trusted=self.get_option("trusted"))
        return {**scope_of(project, content, release, lambda name: self._hosts(inventory, name)), "root": os.path.dirname(path)}

    def _resolved(self, scope: dict[str, t.Any]) -> dict[str, t.Any]:
        gates = self._templar.template(scope["release"]["verify"])
        return {**scope, "release": {**scope["release"], "verify": with_names(gates)}}

    @staticmethod
    def _named(what: str, name: str) -> str:
        if not name:
            raise InvalidInput(f"Which {what}?", todo=f"name it with -e {what}=NAME")
        return name

    def _content(self, term: t.Any, root: str) -> t.Mapping[str, t.Any] | str:
        """A feature given by its content as it is, else the path of its file."""
        if isinstance(term, t.Mapping):
            return term
        self._named("feature", term)
        named = os.path.join(root, "features", f"{term}.yml")
        return named if os.path.sep not in str(term) and os.path.isfile(named) else os.path.join(root, str(term))

    def _load(self, path: str, *, trusted: bool = True) -> t.Any:
        """The content of a file; the author of one that is trusted may write templates in it, as in any variable file."""
        if not os.path.isfile(path):
            raise InvalidInput("A file is missing", seen=path, todo="run from the directory of surefoot.yml, or name the file")
        content = self._loader.load_from_file(path, trusted_as_template=trusted)
        if not isinstance(content, t.Mapping):
            raise InvalidInput("The file holds no mapping", seen=path)
        return content

    def _inventory(self, groups: t.Mapping[str, t.Sequence[str]]) -> InventoryManager:
        inventory = InventoryManager(self._loader, parse=False)
        for group, hosts in groups.items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        return inventory

    @staticmethod
    def _hosts(inventory: InventoryManager, pattern: str) -> list[str]:
        known = inventory.groups if pattern.replace("_", "a").isidentifier() else None
        if known is not None and pattern not in known and pattern not in inventory.hosts:
            return []
        return [str(host.name) for host in inventory.get_hosts(pattern=pattern)]


def _stamp(path: str) -> tuple[str, int, int]:
    """What changes when a file does; nothing of a file that is missing."""
    try:
        found = os.stat(path)
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size
