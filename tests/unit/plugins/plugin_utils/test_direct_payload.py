"""What is sent for a direct run, read by a Python that has nothing of ours and nothing of Ansible's, as a host would."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.entry import install, release_info
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.arguments import validated
from ansible_collections.surefoot.release.plugins.plugin_utils.direct.payload import BOOTSTRAP, answer, payload

MARKER = "marker-1:"


def run(entry: t.Any, given: dict[str, t.Any], *, attached: bytes = b"", cwd: pathlib.Path, check: bool = False, **environment: str) -> tuple[t.Any, str]:
    """The answer, and all that was said."""
    name = entry.__name__.rpartition(".")[2]
    request = {**validated(entry, given), "entry": name, "check_mode": check, "marker": MARKER, "log": None}
    # Isolated: no site-packages, in which ansible and this checkout would be found.
    command = [sys.executable, "-I", "-S", "-c", BOOTSTRAP, "named"]
    done = subprocess.run(command, input=payload(request, attached), capture_output=True, cwd=cwd, env={"HOME": str(cwd), **environment}, timeout=60)
    said = done.stdout.decode() + done.stderr.decode()
    return answer(done.stdout.decode(), MARKER), said


def test_a_module_runs_with_nothing_but_what_was_sent(tmp_path: pathlib.Path) -> None:
    told, said = run(release_info, {"receipt": "~/r.json", "install": {"path": "$SHOP"}}, cwd=tmp_path, SHOP=str(tmp_path / "shop"))
    assert told["survey"]["artifacts"]["path"] == str(tmp_path / "shop"), said
    assert told["invocation"]["module_args"]["receipt"] == str(tmp_path / "r.json")
    assert not told["changed"]
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_what_is_attached_arrives_as_it_is_and_is_not_shown(tmp_path: pathlib.Path) -> None:
    told, said = run(install, {"path": "~/shop", "version": "1"}, attached=b"not an archive \x00\xff", cwd=tmp_path)
    assert told["failed"], said
    assert told["error"]["kind"] == "InvalidInput"
    assert "content" not in told["invocation"]["module_args"] or told["invocation"]["module_args"]["content"] is None


def test_a_failure_nobody_foresaw_is_told_with_its_place(tmp_path: pathlib.Path) -> None:
    (tmp_path / "shop").write_text("no directory")
    request = {"params": {}, "paths": [], "no_log": [], "kinds": {}, "entry": "release_info", "check_mode": False, "marker": MARKER, "log": None}
    done = subprocess.run([sys.executable, "-I", "-S", "-c", BOOTSTRAP], input=payload(request), capture_output=True, text=False, timeout=60)
    told = answer(done.stdout.decode(), MARKER)
    assert told is not None
    assert told["failed"]
    assert told["msg"] == "The module broke off: KeyError: 'receipt'"
    assert 'module.params["receipt"]' in told["exception"], "with the line it happened in"
    assert done.returncode == 1


def test_secrets_are_masked_before_anything_leaves_the_host(tmp_path: pathlib.Path) -> None:
    secrets = json.dumps({"migrate": {"url": "sqlite:////hush-hush/shop.db"}})
    asked = {"migrate": {"engine": "sql", "path": str(tmp_path)}, "secrets": secrets}
    told, said = run(release_info, asked, cwd=tmp_path)
    assert told["survey"]["migrations"] is not None, said
    assert "hush-hush" not in said
    assert told["invocation"]["module_args"]["secrets"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def test_nothing_in_the_current_directory_is_imported(tmp_path: pathlib.Path) -> None:
    (tmp_path / "dataclasses.py").write_text("raise RuntimeError('taken from the current directory')")
    (tmp_path / "ansible_collections").mkdir()
    request = {**validated(release_info, {}), "entry": "release_info", "check_mode": False, "marker": MARKER, "log": None}
    done = subprocess.run([sys.executable, "-S", "-c", BOOTSTRAP], input=payload(request), capture_output=True, cwd=tmp_path, env={}, timeout=60)
    assert answer(done.stdout.decode(), MARKER), done.stderr


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('motd {"a": 1}\nmarker-1:{"changed": false}\n', {"changed": False}),
        ('marker-1:{"old": 1}\nnoise\nmarker-1:{"changed": true}\nlast words', {"changed": True}),
        ("", None),
        ('{"changed": false}', None),
        ("marker-1:", None),
        ("marker-1:[1]", None),
        ('marker-1:{"cut": ', None),
    ],
)
def test_the_answer_is_what_follows_the_marker(said: str, expected: t.Any) -> None:
    assert answer(said, MARKER) == expected
