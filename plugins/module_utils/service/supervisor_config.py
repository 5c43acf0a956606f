# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where supervisord listens, by the same file and the same rules as C(supervisorctl)."""

from __future__ import annotations

import configparser
import dataclasses
import os

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused

_USUAL = ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")


@dataclasses.dataclass(frozen=True)
class Address:
    """`socket` (a path) or `host` and `port`; and who we are, where supervisord wants to know."""

    socket: str | None
    host: str = "localhost"
    port: int = 0
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        return self.socket or "%s:%d" % (self.host, self.port)


def read_address(path: str | None) -> Address:
    """The address in the configuration at `path` (or at the usual places). Raises Refused where it cannot be read, InvalidInput where it
    does not say."""
    path = path or next((usual for usual in _USUAL if os.path.exists(usual)), _USUAL[0])
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", " #"), strict=False)
    try:
        with open(path, encoding="utf-8") as stream:
            parser.read_file(stream)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise Refused("The supervisor configuration cannot be read", seen=str(error), todo="check supervisor_config") from error
    here = os.path.dirname(os.path.abspath(path))

    def option(section: str, name: str) -> str | None:
        return _expand(parser.get(section, name, fallback=""), here) or None

    url = option("supervisorctl", "serverurl")
    if not url:
        socket = option("unix_http_server", "file")
        url = "unix://%s" % socket if socket else option("inet_http_server", "port")
    if not url:
        raise InvalidInput("%s does not say where supervisord listens" % path, todo="add a section unix_http_server with a file")
    server = "unix_http_server" if url.startswith("unix://") else "inet_http_server"
    username, password = (option("supervisorctl", name) or option(server, name) for name in ("username", "password"))
    if url.startswith("unix://"):
        return Address(os.path.join(here, url[len("unix://") :]), username=username, password=password)
    host, _colon, port = url.partition("://")[2].rstrip("/").rpartition(":") if "://" in url else url.rpartition(":")
    if not port.isdigit():
        raise InvalidInput("%s says supervisord listens at %r, which has no port" % (path, url), todo="check serverurl")
    return Address(None, "localhost" if host in ("", "*") else host, int(port), username, password)


def _expand(text: str, here: str) -> str:
    text = text.replace("%(here)s", here)
    for name, value in os.environ.items():
        text = text.replace("%%(ENV_%s)s" % name, value)
    return text.strip()
