# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first code of a direct run on a host: makes the rest importable out of what came along, and begins it.

It is read from standard input, after which come three more frames, each with its length in bytes on a line before it: our module utilities as compressed JSON
of names and sources, the request as JSON, and what is attached to it. Nothing is written to disk.
"""

from __future__ import annotations

import json
import sys
import zlib
from importlib.machinery import ModuleSpec


class Sources:
    """Imports modules out of a mapping of their full names to their sources; what stands between dots is a package."""

    def __init__(self, sources):
        self._sources = sources
        self._packages = {name.rsplit(".", count)[0] for name in sources for count in range(1, name.count(".") + 1)}

    def find_spec(self, name, path=None, target=None):
        if name in self._packages:
            return ModuleSpec(name, self, is_package=True)
        return ModuleSpec(name, self, origin=_origin(name)) if name in self._sources else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        if name in self._sources:
            module.__file__ = _origin(name)
            exec(compile(self._sources[name], module.__file__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # this is what a loader does

    def get_source(self, name):
        """For the lines in a traceback."""
        return self._sources.get(name)


def _origin(name):
    return name.replace(".", "/") + ".py"


def main(stream):
    sources = Sources(json.loads(zlib.decompress(_frame(stream))))
    request = json.loads(_frame(stream))
    attached = _frame(stream)
    # It would be the current directory, in which anything may lie.
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    sys.meta_path.insert(0, sources)
    from ansible_collections.surefoot.release.plugins.module_utils.direct.module import serve

    serve(request, attached)


def _frame(stream):
    return stream.read(int(stream.readline()))


if __name__ == "__main__":
    main(sys.stdin.buffer)
