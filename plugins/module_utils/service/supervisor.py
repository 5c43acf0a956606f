# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services run by supervisord, through its XML-RPC interface: one connection instead of one C(supervisorctl) process for each question, and answers
that are data instead of text."""

from __future__ import annotations

import base64
import http.client
import socket
import typing as t
import xmlrpc.client

from ansible_collections.surefoot.release.plugins.module_utils.commands import Run
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import process
from ansible_collections.surefoot.release.plugins.module_utils.service.manager import Status
from ansible_collections.surefoot.release.plugins.module_utils.service.supervisor_config import Address, read_address
from ansible_collections.surefoot.release.plugins.module_utils.wait import poll

_BAD_NAME, _NOT_RUNNING, _ALREADY_STARTED = 10, 70, 60
# STARTING only means that supervisord has not watched the process for startsecs yet; whether it answers is what we ask ourselves.
_PHASES = {"RUNNING": "running", "STARTING": "running", "BACKOFF": "starting", "STOPPING": "starting"}


class Supervisor:
    """One program of supervisord, named C(program) or C(group:program)."""

    def __init__(self, params: t.Mapping[str, t.Any], run: Run) -> None:
        self.service = params["service"]
        self._stop_timeout = params["stop_timeout"]
        self._reload_signal = params["reload_signal"]
        self._address = read_address(params["supervisor_config"])
        self._server = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(self._address, params["stop_timeout"]))
        if self.service.endswith("*"):
            raise InvalidInput("%r names several programs" % self.service, todo="name one, as program or group:program; each needs a task of its own")

    def status(self) -> Status:
        """What supervisord says now."""
        try:
            info = self._call("getProcessInfo")
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != _BAD_NAME:
                raise self._refused(fault) from fault
            return Status("unknown", None, "supervisord says %s" % fault.faultString)
        found = process.find(info["pid"]) if info["pid"] else None
        detail = "supervisord says %s" % " ".join(filter(None, (info["statename"], info["spawnerr"] or info["description"])))
        phase = _PHASES.get(info["statename"], "stopped")
        return Status("starting" if phase == "running" and not found else phase, found, detail, bool(self._reload_signal))

    def restart(self, when_stopped: t.Callable[[], None]) -> None:
        """Stop, wait until supervisord has collected the process, start; not waiting for startsecs."""
        self._tell("stopProcess", False, tolerate=_NOT_RUNNING)
        seen, stopped = poll(self.status, lambda seen: seen.phase == "stopped", timeout=self._stop_timeout, interval=0.05)
        if not stopped:
            raise StepFailed(
                "%s did not stop within %g s" % (self.service, self._stop_timeout),
                seen=seen.detail,
                todo="compare stop_timeout with its stopwaitsecs; it was not started a second time",
            )
        when_stopped()
        self._tell("startProcess", False, tolerate=_ALREADY_STARTED)

    def reload(self) -> None:
        """Send the signal that the program takes as the order to reload."""
        self._tell("signalProcess", self._reload_signal)

    def _tell(self, method: str, argument: t.Any, *, tolerate: int | None = None) -> None:
        try:
            self._call(method, argument)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != tolerate:
                seen = fault.faultString
                raise StepFailed("supervisord failed at %s of %s" % (method, self.service), seen=seen, todo="read the log of supervisord") from fault

    def _call(self, method: str, *arguments: t.Any) -> t.Any:
        try:
            return getattr(self._server.supervisor, method)(self.service, *arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError, xmlrpc.client.ResponseError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> Refused:
        # The text of a ProtocolError holds the whole request, credentials included.
        seen = "%s %s" % (error.errcode, error.errmsg) if isinstance(error, xmlrpc.client.ProtocolError) else str(error)
        return Refused(
            "supervisord does not answer at %s about %s" % (self._address, self.service), seen=seen, todo="check that it runs, and supervisor_config"
        )


class _Transport(xmlrpc.client.Transport):
    def __init__(self, address: Address, timeout: float) -> None:
        credentials = "%s:%s" % (address.username, address.password or "")
        token = base64.b64encode(credentials.encode()).decode()
        super().__init__(headers=[("Authorization", "Basic %s" % token)] if address.username else [])
        self._address = address
        self._timeout = timeout

    def make_connection(self, host: t.Any) -> http.client.HTTPConnection:
        # supervisord closes its end between requests, so a kept connection would break at the second question.
        return _Connection(self._address, self._timeout)


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: Address, timeout: float) -> None:
        super().__init__(address.host, address.port or None, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        if self._address.socket is None:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address.socket)
        return None
