"""The exit codes of the CLI. They are the same for every command, and none of them is one of ansible's."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What a command ended with."""

    DONE = 0
    ERROR = 1
    """An error of ours, or of usage."""
    PENDING = 2
    """`plan`: something is left to do."""
    WAITING = 3
    """A person has to look: a gate could not tell, a confirmation is missing, or the work was cancelled."""
    REFUSED = 4
    """What is there is not what was expected; nothing was changed."""
    ROLLED_BACK = 5
    NOT_ROLLED_BACK = 6
    LOCKED = 7
