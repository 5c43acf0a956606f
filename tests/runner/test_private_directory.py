"""The directories of ansible-runner: private, gone with their run, and with the next one when the runner was killed."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

from surefoot.private_directory import PREFIX, private_directory

HOLD = """
import pathlib, sys
from surefoot.private_directory import private_directory
with private_directory() as path:
    (path / "env").mkdir()
    (path / "env/envvars").write_text("a secret")
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holding(folder: pathlib.Path) -> tuple[subprocess.Popen[str], pathlib.Path]:
    """Another runner with a directory of its own, which ends at the end of its input."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)}
    process = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    return process, pathlib.Path(process.stdout.readline().strip())


def test_it_is_for_this_user_alone_and_gone_at_the_end(folder: pathlib.Path) -> None:
    with private_directory() as path:
        assert (path.parent, path.stat().st_mode & 0o777) == (folder, 0o700)
        (path / "artifacts").mkdir()
    assert list(folder.iterdir()) == []


def test_what_a_killed_runner_left_is_gone_once_the_next_run_begins(folder: pathlib.Path) -> None:
    process, left = holding(folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (left / "env/envvars").exists()
    with private_directory() as path:
        assert list(folder.iterdir()) == [path]


def test_what_a_living_runner_uses_stays(folder: pathlib.Path) -> None:
    process, used = holding(folder)
    with private_directory(), private_directory() as second:
        assert second.exists()
    assert (used / "env/envvars").exists()
    process.communicate("")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("command", "stays"), [("ansible-playbook", True), ("shop", False)])
def test_what_an_ansible_that_outlived_its_runner_works_with_stays_until_that_ends(folder: pathlib.Path, command: str, stays: bool) -> None:
    """A service that a step started has the name of the directory in its environment too, and lives much longer."""
    used = folder / f"{PREFIX}x"
    used.mkdir()
    environment = {"AWX_ISOLATED_DATA_DIR": str(used / "artifacts/1")}
    with subprocess.Popen([command], executable="/bin/cat", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as orphan:
        # Its environment can be read only once the kernel has set up all of the new program, which is a little after Popen returns.
        assert orphan.stdin
        assert orphan.stdout
        orphan.stdin.write(b"ready")
        assert orphan.stdout.read(5) == b"ready"
        with private_directory():
            assert used.exists() == stays
        orphan.communicate()
    with private_directory():
        assert not used.exists()


def test_links_and_files_of_that_name_are_left_alone(folder: pathlib.Path) -> None:
    (folder / "kept").mkdir()
    (folder / "kept/file").write_text("x")
    (folder / f"{PREFIX}link").symlink_to(folder / "kept")
    (folder / f"{PREFIX}file").write_text("x")
    with private_directory():
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["kept", f"{PREFIX}file", f"{PREFIX}link"]
    assert (folder / "kept/file").exists()


def test_many_at_once_do_not_remove_each_others(folder: pathlib.Path) -> None:
    missing: list[pathlib.Path] = []

    def work() -> None:
        for _ in range(30):
            with private_directory() as path:
                (path / "x").write_text("x")
                if not (path / "x").exists():
                    missing.append(path)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert missing == []
    assert list(folder.iterdir()) == []
