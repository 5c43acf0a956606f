"""The install step on a real disk: what it does, what it refuses, and that it does nothing twice."""

from __future__ import annotations

import base64
import http.server
import json
import os
import pathlib
import threading
import typing as t

import pytest
from _artifacts import artifact, found, install, names, sha256, snapshot

from ansible_collections.surefoot.release.plugins.module_utils.artifact import install as step
from ansible_collections.surefoot.release.plugins.module_utils.artifact import staging
from ansible_collections.surefoot.release.plugins.module_utils.artifact.store import Layout
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed


@pytest.fixture
def app(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "app"


@pytest.fixture
def release(app: pathlib.Path, tmp_path: pathlib.Path) -> t.Callable[..., t.Any]:
    """Stage, or make live, a version from an artifact uploaded to this host."""

    def release(version: str, **options: t.Any) -> t.Any:
        return install(app, version, src="app.tar.gz", uploaded=str(artifact(tmp_path, version)), **options)

    return release


Release = t.Callable[..., t.Any]


def test_staged_is_complete_but_not_live(app: pathlib.Path, release: Release) -> None:
    done = release("1.0.0", state="staged")
    assert found(app) == (None, ["1.0.0"])
    assert not (app / "current").exists()
    assert (app / "releases/1.0.0/latest").read_text().startswith("print")
    assert (done.needed, done.undo, done.reversible) == (True, None, True)
    assert done.reason == "staging needed: 1.0.0 is not on this host yet"
    assert names(app / ".surefoot") == ["artifacts", "lock"]


def test_activating_switches_a_relative_link_and_says_the_way_back(app: pathlib.Path, release: Release) -> None:
    first = release("1.0.0")
    assert (first.undo, first.reversible) == (None, False)
    release("2.0.0", state="staged")
    assert found(app) == ("1.0.0", ["1.0.0", "2.0.0"])
    second = install(app, "2.0.0")
    assert (app / "current").readlink() == pathlib.Path("releases/2.0.0")
    assert second.reason == "activation needed: 2.0.0 is staged, 1.0.0 is live"
    assert (second.undo, second.reversible) == ({"version": "1.0.0"}, True)
    back = install(app, **second.undo)
    assert (found(app), back.undo) == (("1.0.0", ["1.0.0", "2.0.0"]), {"version": "2.0.0"})


@pytest.mark.parametrize("state", ["staged", "live"])
def test_a_second_time_changes_nothing(app: pathlib.Path, release: Release, state: str) -> None:
    release("1.0.0", state=state)
    before = snapshot(app, times=True)
    again = release("1.0.0", state=state)
    assert (again.needed, again.undo, again.before) == (False, None, again.after)
    assert snapshot(app, times=True) == before


@pytest.mark.parametrize("state", ["staged", "live"])
def test_check_mode_touches_nothing_and_predicts_what_comes(app: pathlib.Path, tmp_path: pathlib.Path, release: Release, state: str) -> None:
    for version in ("0.8.0", "0.9.0", "1.0.0"):
        release(version)
    packed = artifact(tmp_path, "2.0.0")
    options: dict[str, t.Any] = dict(state=state, src="app.tar.gz", sha256=sha256(packed), keep=1)
    before = snapshot(tmp_path, times=True)
    predicted = install(app, "2.0.0", check=True, **options)
    assert snapshot(tmp_path, times=True) == before
    done = install(app, "2.0.0", uploaded=str(packed), **options)
    assert (predicted.before, predicted.after, predicted.reason, predicted.undo) == (done.before, done.after, done.reason, done.undo)
    assert "0.8.0" not in done.after["staged"]


def test_check_mode_makes_no_directory_on_a_new_host(app: pathlib.Path) -> None:
    assert install(app, "1.0.0", src="app.tar.gz", check=True).after == {"live": "1.0.0", "staged": {"1.0.0": None}}
    assert not app.exists()


def test_content_that_came_along_is_installed(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    packed = artifact(tmp_path, "1.0.0")
    install(app, "1.0.0", src="app.tar.gz", sha256=sha256(packed), content=base64.b64encode(packed.read_bytes()).decode())
    assert (app / "current/VERSION").read_text() == "1.0.0"


def test_only_what_is_missing_is_asked_for(app: pathlib.Path, release: Release) -> None:
    params = dict(path=str(app), version="1.0.0", state="live", src="app.tar.gz", shared=[], keep=5, prepare=[])
    assert step.upload_needed(params)
    release("1.0.0", state="staged")
    assert not step.upload_needed(params)


def test_a_wrong_checksum_installs_nothing(app: pathlib.Path, release: Release) -> None:
    with pytest.raises(InvalidInput, match="does not have the checksum"):
        release("1.0.0", sha256="0" * 64)
    assert names(app) == [".surefoot"]
    assert names(app / ".surefoot") == ["lock"]


@pytest.mark.parametrize("live", [True, False])
def test_a_staged_version_never_changes(app: pathlib.Path, tmp_path: pathlib.Path, release: Release, live: bool) -> None:
    release("1.0.0", state="live" if live else "staged")
    other = artifact(tmp_path, "1.0.0", {"extra": b"x"})
    before = snapshot(app, times=True)
    for check in (True, False):
        with pytest.raises(Refused, match="from another artifact") as caught:
            install(app, "1.0.0", src="a", uploaded=str(other), sha256=sha256(other), check=check)
        assert ("it is live" in str(caught.value)) is live
    assert snapshot(app, times=True) == before


def test_nothing_to_stage_from_is_refused(app: pathlib.Path) -> None:
    for state in ("staged", "live"):
        with pytest.raises(Refused, match="no artifact was given"):
            install(app, "1.0.0", state=state)
    assert not app.exists()


def test_a_directory_made_by_somebody_else_is_never_replaced(app: pathlib.Path, release: Release) -> None:
    (app / "releases/1.0.0").mkdir(parents=True)
    (app / "releases/1.0.0/precious").write_text("x")
    with pytest.raises(Refused, match="did not make or finish"):
        release("1.0.0")
    (app / "current").symlink_to("releases/1.0.0")
    with pytest.raises(Refused, match="it is live"):
        release("1.0.0")
    release("2.0.0", keep=0, verified=[])
    assert (app / "releases/1.0.0/precious").read_text() == "x"
    assert found(app) == ("2.0.0", ["2.0.0"])


def test_a_marked_but_live_release_is_never_removed(app: pathlib.Path, release: Release) -> None:
    release("1.0.0")
    (app / ".surefoot/artifacts/1.0.0.json").unlink()
    (app / ".surefoot/staging-1.0.0").mkdir()
    with pytest.raises(Refused, match="it is live"):
        release("1.0.0")
    release("2.0.0", state="staged", keep=0)
    assert (app / "current/VERSION").read_text() == "1.0.0"


def test_an_unknown_current_changes_nothing(app: pathlib.Path, release: Release) -> None:
    (app / "current").mkdir(parents=True)
    before = snapshot(app, times=True)
    for state in ("staged", "live"):
        with pytest.raises(Refused, match="cannot be told"):
            release("1.0.0", state=state)
    assert snapshot(app, times=True) == before


def test_the_live_release_is_never_pruned_and_file_times_decide_nothing(app: pathlib.Path, release: Release) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0", "4.0.0"):
        release(version, state="staged")
    install(app, "1.0.0")
    os.utime(app / "releases/2.0.0", (4e9, 4e9))
    os.utime(app / "releases/4.0.0", (1, 1))
    release("5.0.0", state="staged", keep=1)
    assert found(app) == ("1.0.0", ["1.0.0", "4.0.0", "5.0.0"])
    assert names(app / "releases") == ["1.0.0", "4.0.0", "5.0.0"]


def test_unverified_releases_push_no_verified_one_out(app: pathlib.Path, release: Release) -> None:
    for version in ("good-1", "good-2", "bad-1", "bad-2", "bad-3"):
        release(version)
    release("next", keep=2, verified=["good-1", "good-2"])
    assert found(app) == ("next", ["good-1", "good-2", "bad-3", "next"])


def test_failing_to_prune_is_a_warning_and_is_tried_again(app: pathlib.Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        release(version)
    real, warnings = staging.shutil.rmtree, []

    def stuck(path: str, **options: t.Any) -> None:
        if path.endswith("/1.0.0"):
            raise PermissionError(13, "Permission denied", path)
        real(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(staging.shutil, "rmtree", stuck)
        for version in ("4.0.0", "5.0.0"):
            done = release(version, keep=1, warn=warnings.append)
            assert done.after["live"] == version
    assert len(warnings) == 2
    assert "1.0.0 could not be removed" in warnings[0]
    release("6.0.0", keep=1)
    assert names(app / "releases") == ["4.0.0", "5.0.0", "6.0.0"]
    assert names(app / ".surefoot") == ["artifacts", "lock"]


def test_shared_paths_outlive_releases(app: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (app / "shared/conf").mkdir(parents=True)
    (app / "shared/conf/.env").write_text("KEY=1")
    for version in ("1.0.0", "2.0.0"):
        packed = artifact(tmp_path, version, {"media/up/.gitkeep": b"", "conf/.env": b"example"})
        install(app, version, src="a", uploaded=str(packed), shared=["media/up/", "conf/.env", "var/log/"])
        (app / "current/media/up" / version).write_text("upload")
    assert (app / "releases/2.0.0/media/up").readlink() == pathlib.Path("../../../shared/media/up")
    assert {path.name for path in (app / "current/media/up").iterdir()} == {"1.0.0", "2.0.0"}
    assert (app / "current/conf/.env").read_text() == "KEY=1"
    assert (app / "shared/var/log").is_dir()


def test_a_missing_shared_file_is_refused_before_anything(app: pathlib.Path, release: Release) -> None:
    for check in (True, False):
        with pytest.raises(Refused, match=r"not there: \.env"):
            release("1.0.0", shared=[".env"], check=check)
    assert not app.exists()


def test_prepare_runs_at_the_final_path_with_its_environment(app: pathlib.Path, release: Release) -> None:
    prepare = [["sh", "-c", 'pwd > where; printf %s "$TOKEN" > token'], ["sh", "-c", "cat where > second"]]
    release("1.0.0", prepare=prepare, environment={"TOKEN": "s3same$HOME"})
    assert (app / "current/second").read_text().strip() == str(app / "releases/1.0.0")
    assert (app / "current/token").read_text() == "s3same$HOME"


def test_a_real_virtual_environment_works(app: pathlib.Path, release: Release) -> None:
    make = ["python3", "-m", "venv", "--without-pip", ".venv"]
    use = [".venv/bin/python", "-c", "open('ran', 'w').write(__import__('sys').prefix)"]
    release("1.0.0", prepare=[make, use])
    assert (app / "releases/1.0.0/ran").read_text() == str(app / "releases/1.0.0/.venv")


@pytest.mark.parametrize("command", [["sh", "-c", "touch half; echo broken for $TOKEN >&2; exit 3"], ["no-such-program-at-all"]])
def test_a_failing_prepare_leaves_nothing_and_tells_no_secret(app: pathlib.Path, release: Release, command: list[str]) -> None:
    release("1.0.0")
    before = snapshot(app)
    with pytest.raises(StepFailed, match=r"Preparing 2\.0\.0 failed") as caught:
        release("2.0.0", prepare=[["touch", "ready"], command], environment={"TOKEN": "s3same"})
    assert "s3same" not in str(caught.value)
    assert snapshot(app) == before
    assert release("2.0.0").after["live"] == "2.0.0"


def test_the_lock_of_another_installation_is_respected(app: pathlib.Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    release("1.0.0", state="staged")
    with staging.locked(Layout(str(app))):
        monkeypatch.setattr(staging.locked.__wrapped__, "__kwdefaults__", {"patience": 0})
        with pytest.raises(Refused, match="Another installation"):
            install(app, "1.0.0")
        assert not install(app, "1.0.0", state="staged").needed  # nothing to do needs no lock
        assert install(app, "1.0.0", check=True).needed  # and neither does looking
    assert found(app)[0] is None


def test_a_daemon_left_by_prepare_does_not_keep_the_lock(app: pathlib.Path, release: Release) -> None:
    release("1.0.0", prepare=[["sh", "-c", "sleep 20 >/dev/null 2>&1 & echo $! > pid"]])
    try:
        release("2.0.0")
    finally:
        os.kill(int((app / "releases/1.0.0/pid").read_text()), 9)


def test_a_missing_release_directory_is_staged_again(app: pathlib.Path, release: Release) -> None:
    release("1.0.0")
    (app / "releases/1.0.0").rename(app / "elsewhere")
    assert found(app) == ("1.0.0", [])
    assert release("1.0.0").needed
    assert (app / "current/VERSION").read_text() == "1.0.0"


class Server(http.server.BaseHTTPRequestHandler):
    artifact = b""

    def do_GET(self) -> None:
        if self.path != "/cut" and self.path != "/app":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(self.artifact)))
        self.end_headers()
        self.wfile.write(self.artifact[: len(self.artifact) // 2] if self.path == "/cut" else self.artifact)

    def log_message(self, *_: t.Any) -> None:
        pass


@pytest.fixture
def url(tmp_path: pathlib.Path) -> t.Iterator[str]:
    Server.artifact = artifact(tmp_path, "1.0.0").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_host_downloads_and_checks_the_file_as_it_is(app: pathlib.Path, tmp_path: pathlib.Path, url: str) -> None:
    packed = tmp_path / "app-1.0.0.tar.gz"
    install(app, "1.0.0", src=f"{url}/app", sha256=f"{sha256(packed)}  app.tar.gz")
    assert (app / "current/VERSION").read_text() == "1.0.0"
    install(app, "copy", src=packed.as_uri(), state="staged")
    assert json.loads((app / ".surefoot/artifacts/copy.json").read_text())["sha256"] == sha256(packed)


@pytest.mark.parametrize("path", ["missing", "cut"])
def test_a_failed_download_installs_nothing(app: pathlib.Path, url: str, path: str) -> None:
    with pytest.raises(StepFailed, match="cannot be downloaded"):
        install(app, "1.0.0", src=f"{url}/{path}")
    assert found(app) == (None, [])
    assert names(app / ".surefoot") == ["lock"]


def test_a_server_that_is_not_there(app: pathlib.Path) -> None:
    with pytest.raises(StepFailed, match="cannot be downloaded"):
        install(app, "1.0.0", src="http://127.0.0.1:9/app")
