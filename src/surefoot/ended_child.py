"""Closing the terminal of an ansible that has ended.

ansible-runner leaves that to pexpect, which waits 0.1 s for a child to notice that its terminal is closed. A release is two children, both ended by then.
"""

from __future__ import annotations

import types

import pexpect  # type: ignore[import-untyped]
from ansible_runner import runner


class _Child(pexpect.spawn):  # type: ignore[misc]  # pexpect is not typed
    def close(self, force: bool = True) -> None:
        if not self.isalive():
            self.ptyproc.delayafterclose = 0
        super().close(force)


def close_at_once() -> None:
    """Have ansible-runner, and nothing else that uses pexpect, start children that are closed without waiting for what has ended."""
    runner.pexpect = types.SimpleNamespace(**{**vars(pexpect), "spawn": _Child})
