"""The same deploy by pyinfra: directory, upload, unpack, link. Run by pyinfra's own interpreter, which is not the project's."""

from __future__ import annotations

from pyinfra import host
from pyinfra.operations import files, server

version, artifact = host.data.version, host.data.artifact
release = f"/opt/pyinfra/releases/{version}"

files.directory(path=release)
files.put(src=artifact, dest=f"/tmp/bench-{version}.tar.gz")
server.shell(commands=[f"tar -xzf /tmp/bench-{version}.tar.gz -C {release}"])
files.link(path="/opt/pyinfra/current", target=f"releases/{version}")
