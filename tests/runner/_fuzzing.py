"""How long files and answers are fuzzed: a night's run has the time for more."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("SUREFOOT_FUZZ_TIMES", "1"))


def examples(count: int) -> settings:
    """Try as many examples, by night several times as many, however long one takes."""
    return settings(max_examples=count * TIMES, deadline=None)
