"""Errors of the test fleet.

FleetError          the fleet could not do what was asked
└── NotPossible     this machine cannot hold a fleet (not root, no podman and no way to install it); nothing was done
"""

from __future__ import annotations


class FleetError(Exception):
    """What happened and what to do next, in one sentence for a person."""


class NotPossible(FleetError):
    """This machine cannot hold a fleet; nothing was done."""
