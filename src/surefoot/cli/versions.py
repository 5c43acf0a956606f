"""What `surefoot --version` says."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import sys

import surefoot
from surefoot.playbooks import collection_parent


def versions() -> str:
    """One line for each thing whose version matters when something goes wrong."""
    own = collection_parent() / "ansible_collections/surefoot/release"
    lines = [
        f"surefoot {surefoot.__version__}",
        f"collection surefoot.release in {own}",
        *(f"{name} {importlib.metadata.version(name)}" for name in ("ansible-core", "ansible-runner")),
        f"Python {platform.python_version()} in {sys.prefix}",
    ]
    other = pathlib.Path.home() / ".ansible/collections/ansible_collections/surefoot/release"
    if other.exists() and other.resolve() != own.resolve():
        lines.append(f"another copy of the collection is in {other}; bare ansible-playbook may take that one")
    return "\n".join(lines)
