"""Errors of the benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """What could not be measured and why, in one sentence for a person."""
