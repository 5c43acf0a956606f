# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of HAProxy, through its admin socket (C(stats socket … level admin)); one member may stand behind several balancers."""

from __future__ import annotations

import csv
import dataclasses
import re
import socket
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.pool.member import Standing

_TIMEOUT = 5.0
# Bits of srv_admin_state: a server is in maintenance or drain by order, because it follows another one, or because its name does not resolve.
_MAINTENANCE = 0x01 | 0x02 | 0x20
_DRAIN_ORDERED = 0x08
_DRAIN_INHERITED = 0x10
_RUNNING = 2


@dataclasses.dataclass(frozen=True)
class Server:
    """One server as one balancer shows it. `admin` are the bits of its administrative state, `up` is what its health checks say."""

    admin: int
    up: bool
    open: int
    status: str


class Haproxy:
    """The server C(backend/server) on every balancer whose socket is given."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        self._sockets = params["haproxy_sockets"]
        self._backend, self._server = params["haproxy_backend"], params["haproxy_server"]
        if not self._sockets or not self._backend or not self._server:
            raise InvalidInput("The pool backend haproxy needs haproxy_sockets, haproxy_backend and haproxy_server")
        for name in (self._backend, self._server):
            # The names go into a line of commands, where a semicolon or a line break would begin another one.
            if not re.match(r"^[A-Za-z0-9_.:-]+\Z", name):
                raise InvalidInput("%r is no name of a HAProxy backend or server" % name)

    def look(self) -> Standing:
        """Drained where no balancer sends anybody, in the pool where every one does."""
        servers = [self._look_at(address) for address in self._sockets]
        states = {_state(server) for server in servers}
        detail = ", ".join("%s at %s is %s" % (self._name, address, server.status) for address, server in zip(self._sockets, servers))
        return Standing(
            state=states.pop() if len(states) == 1 else "unknown",
            detail=detail,
            ours=not any(server.admin & (_MAINTENANCE | _DRAIN_INHERITED) for server in servers),
            open=sum(server.open for server in servers),
            up=all(server.up for server in servers),
        )

    def drain(self) -> None:
        """No new sessions; those that are open go on. A server in maintenance is out already, and an order to drain would end that."""
        for address in self._sockets:
            if not self._look_at(address).admin & _MAINTENANCE:
                self._set(address, "drain")

    def restore(self) -> None:
        """Users again."""
        for address in self._sockets:
            self._set(address, "ready")

    @property
    def _name(self) -> str:
        return "%s/%s" % (self._backend, self._server)

    def _look_at(self, address: str) -> Server:
        shown = _ask(address, "show servers state %s" % self._backend)
        if "can't find backend" in shown.lower():
            raise Refused("HAProxy at %s knows no backend %s" % (address, self._backend), todo="correct haproxy_backend")
        states = read_states(shown)
        if self._server not in states:
            raise Refused("HAProxy at %s knows no server %s" % (address, self._name), seen=sorted(states) or shown.strip(), todo="correct haproxy_server")
        stats = read_stats(_ask(address, "show stat")).get((self._backend, self._server), {})
        admin, operational = states[self._server]
        return Server(admin, operational == _RUNNING, int(stats.get("scur") or 0) + int(stats.get("qcur") or 0), stats.get("status", "not shown"))

    def _set(self, address: str, state: str) -> None:
        answer = _ask(address, "set server %s state %s" % (self._name, state)).strip()
        if answer:
            raise StepFailed(
                "HAProxy at %s did not set %s to %s" % (address, self._name, state), seen=answer, todo="its socket must be configured with level admin"
            )


def read_states(shown: str) -> dict[str, tuple[int, int]]:
    """The administrative and the operational state by server, from C(show servers state BACKEND)."""
    lines = [line.split() for line in shown.splitlines() if line.strip()]
    header = next((line[1:] for line in lines if line[0] == "#"), [])
    rows = [dict(zip(header, line)) for line in lines if line[0] != "#" and len(line) > 1]
    return {row["srv_name"]: (int(row["srv_admin_state"]), int(row["srv_op_state"])) for row in rows if "srv_admin_state" in row}


def read_stats(shown: str) -> dict[tuple[str, str], dict[str, str]]:
    """The rows of C(show stat) by backend and server."""
    return {(row["pxname"], row["svname"]): row for row in csv.DictReader(shown.lstrip("# ").splitlines()) if row.get("svname")}


def _state(server: Server) -> str:
    return "drained" if server.admin & (_MAINTENANCE | _DRAIN_ORDERED | _DRAIN_INHERITED) else "in_pool"


def _ask(address: str, command: str) -> str:
    """The answer to one command; HAProxy closes the connection after it."""
    answer = b""
    try:
        with _connect(address) as connection:
            connection.sendall(command.encode() + b"\n")
            for chunk in iter(lambda: connection.recv(65536), b""):
                answer += chunk
    except OSError as error:
        raise Refused("HAProxy does not answer at %s" % address, seen=str(error), todo="check that it runs, and haproxy_sockets") from error
    text = answer.decode("utf-8", "replace")
    if text.startswith("Permission denied"):
        raise Refused("HAProxy at %s does not allow %r" % (address, command), seen=text.strip(), todo="configure its socket with level admin")
    return text


def _connect(address: str) -> socket.socket:
    host, _colon, port = address.rpartition(":")
    if "/" not in address and port.isdigit():
        return socket.create_connection((host.strip("[]") or "localhost", int(port)), timeout=_TIMEOUT)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
