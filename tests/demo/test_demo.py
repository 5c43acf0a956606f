"""script/demo, as a newcomer types it: twice in one checkout, no request of its own traffic fails, and nothing is left of it.

It is to take three minutes at most once .venv is there. That is held against it only where this machine had nothing else to do when it began, and told elsewhere.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import time

import pytest

from faults._kills import marked
from helpers import ROOT

WITHIN = 180.0
FELT = re.compile(r"✓ impact +front kept: (\d+) of (\d+) requests failed")


@pytest.mark.parametrize("run", ["first", "second"])
def test_the_demo_takes_three_minutes_and_fails_no_request(tmp_path: pathlib.Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run([ROOT / "script/setup"], check=True, timeout=600)
    load = os.getloadavg()[0]
    quiet = load < (os.cpu_count() or 1) / 2
    mark = f"ROAD_MARK={tmp_path}"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "200", "NO_COLOR": "1", **dict([mark.split("=", 1)])}
    begun = time.monotonic()
    done = subprocess.run([ROOT / "script/demo"], env=environment, cwd=tmp_path, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=1200)
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    felt = [(int(failed), int(requests)) for failed, requests in FELT.findall(done.stdout)]
    assert len(felt) == 5, done.stdout
    assert [failed for failed, _requests in felt] == [0] * 5
    assert all(requests > 0 for _failed, requests in felt)
    assert "Nothing to do: every release is verified" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert marked(mark) == {}
    with capsys.disabled():
        print(f"\n{run} demo: {took:.0f} s, {sum(requests for _failed, requests in felt)} requests, none failed; the load was {load:.1f} before")
    if quiet:
        assert took <= WITHIN
