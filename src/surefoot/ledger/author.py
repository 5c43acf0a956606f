"""Who writes an entry, where nobody says."""

from __future__ import annotations

import getpass
import socket


def whoami() -> str:
    """USER@HOST of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
