"""A module that runs directly does and says what it does and says when Ansible runs it as any other."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from _artifacts import artifact
from _migrate import BOOKS, REVIEWS, release
from _restart import an_app

from helpers import BIN, ROOT, ansible_environment, run_module

WAYS = {"direct": {"ANSIBLE_PIPELINING": "1"}, "ordinary": {"ANSIBLE_PIPELINING": "0"}}
VOLATILE = re.compile(
    r'"(duration_ms|unavailable_ms|wait_ms|started_at|since|beat|age|staged_at|uptime|waited|samples|at|pid|token|process)": ("[^"]*"|[-\d.]+|null|\{[^}]*\})'
)

Run = t.Callable[..., dict[str, t.Any]]


def alike(result: t.Mapping[str, t.Any], root: pathlib.Path, port: int) -> t.Any:
    """A result without what differs between any two runs."""
    text = json.dumps({key: value for key, value in result.items() if key != "invocation"}, sort_keys=True)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:+]+", "NOW", text.replace(str(root), "/root").replace(f":{port}", ":8000"))
    text = re.sub(r"\bsilent for \d+ s", "silent", re.sub(r"\bprocess \d+", "process 1", text))
    return json.loads(VOLATILE.sub(r'"\1": 0', text))


def everything(root: pathlib.Path, built: pathlib.Path, run: Run) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Every module of a release in its order, each as it succeeds, does nothing, refuses and fails; named for whoever reads that one differs."""
    shop, receipt = str(root / "shop"), str(root / "receipt.json")
    staged = {"path": shop, "version": "2.0.0", "src": str(built), "receipt": receipt, "prepare": [["sh", "-c", "echo $WHO > made"]]}
    yield "install in check mode", run("install", staged, check=True)
    yield "install", run("install", {**staged, "environment": {"WHO": "secret-who"}})
    yield "install again", run("install", staged)
    yield "install, nothing staged", run("install", {"path": shop, "version": "3.0.0"})
    yield "install, wrong checksum", run("install", {**staged, "version": "4.0.0", "sha256": "0" * 64})
    yield "install, a prepare that fails", run("install", {**staged, "version": "5.0.0", "prepare": [["false"]]})
    yield "install, unknown option", run("install", {**staged, "wrong": 1})
    release(root / "shop/releases/2.0.0", BOOKS, REVIEWS)
    migrate = {"engine": "sql", "path": str(root / "shop/releases/2.0.0"), "url": f"sqlite:///{root}/shop.db", "environment": {"TOKEN": "hush-hush"}}
    yield "migrate", run("migrate", {**migrate, "to": "0002"})
    yield "migrate again", run("migrate", {**migrate, "to": "0002"})
    yield "migrate, unknown", run("migrate", {**migrate, "to": "0009"})
    yield "migrate, no such engine", run("migrate", {**migrate, "engine": "magic"})
    (root / "cache").mkdir()
    (root / "cache" / "page:1").write_text("old")
    flush = {"backend": "files", "path": str(root / "cache"), "prefix": "page:", "version": "2.0.0"}
    yield "flush_cache", run("flush_cache", flush)
    yield "flush_cache again", run("flush_cache", flush)
    flag = {"path": str(root / "flags.json"), "flag": "reviews", "audience": {"groups": ["staff"]}}
    yield "enable_feature", run("enable_feature", flag)
    yield "enable_feature, no audience", run("enable_feature", {"path": str(root / "flags.json"), "flag": "reviews"})
    pool = {"backend": "file", "path": str(root / "drained"), "state": "drained"}
    yield "pool_member", run("pool_member", pool)
    yield "pool_member back", run("pool_member", {**pool, "state": "in_pool"})
    yield "gate", run("gate", {"name": "there", "command": ["test", "-e", receipt], "timeout": 0.3})
    yield "gate that passes", run("gate", {"name": "there", "command": ["true"], "chdir": str(root)})
    kinds = {
        "install": {"path": shop},
        "migrate": {"engine": "sql", "path": migrate["path"]},
        "pool_member": {"backend": "file", "path": str(root / "drained")},
    }
    asked = {"receipt": receipt, **kinds, "secrets": json.dumps({"migrate": {"url": migrate["url"]}})}
    yield "release_info", run("release_info", asked)
    yield "release_info, options that cannot be used", run("release_info", {"restart": {"manager": "systemd"}})
    entry = {"app": "shop", "environment": "test", "feature": "reviews", "release": "api", "digest": "d" * 64}
    yield "receipt", run("receipt", {**asked, **entry})
    yield "release_info with a receipt", run("release_info", asked)
    lock = {"app": "shop", "path": str(root / "locks"), "token": "t" * 32, "pid": 1, "owner": "o", "host": "h", "command": "c", "process": {}}
    yield "environment_lock", run("environment_lock", lock)
    yield "environment_lock of another", run("environment_lock", {**lock, "token": "u" * 32})
    yield "environment_lock back", run("environment_lock", {**lock, "state": "released"})


def test_both_ways_do_and_say_the_same(tmp_path: pathlib.Path) -> None:
    found: dict[str, dict[str, t.Any]] = {}
    built = artifact(tmp_path, "2.0.0")
    for way, environment in WAYS.items():
        with an_app(tmp_path / way) as app:

            def run(name: str, args: t.Mapping[str, t.Any], *, check: bool = False, how: t.Mapping[str, str] = environment) -> dict[str, t.Any]:
                return run_module(name, args, check=check, **how)

            found[way] = {"restart": alike(run("restart", app.options()), app.root, app.port)}
            found[way]["restart again"] = alike(run("restart", app.options()), app.root, app.port)
            found[way]["restart to another"] = alike(run("restart", app.options(expect_version="9")), app.root, app.port)
            (app.root / "more").mkdir()
            found[way].update({name: alike(result, app.root / "more", app.port) for name, result in everything(app.root / "more", built, run)})
    assert list(found["direct"]) == list(found["ordinary"])
    assert {name: (found["direct"][name], result) for name, result in found["ordinary"].items() if found["direct"][name] != result} == {}
    assert {name for name, result in found["direct"].items() if result["failed"]} == {
        "restart to another",
        "install, nothing staged",
        "install, wrong checksum",
        "install, a prepare that fails",
        "install, unknown option",
        "migrate, unknown",
        "migrate, no such engine",
        "enable_feature, no audience",
        "gate",
        "release_info, options that cannot be used",
        "environment_lock of another",
    }


def said(name: str, args: t.Mapping[str, t.Any], **environment: str) -> str:
    command = [str(BIN / "ansible"), "localhost", "-vvv", "-m", f"surefoot.release.{name}", "-a", json.dumps(args), "-e"]
    interpreter = f"ansible_python_interpreter={environment.pop('interpreter', sys.executable)}"
    environment = ansible_environment(ANSIBLE_PIPELINING="1", **environment)
    done = subprocess.run([*command, interpreter], env=environment, text=True, capture_output=True, cwd=ROOT, timeout=120)
    return done.stdout + done.stderr


DIRECTLY = "Running surefoot.release.%s directly"


def test_what_a_module_needs_of_ansible_has_it_run_as_any_other(tmp_path: pathlib.Path) -> None:
    asked = {"install": {"path": str(tmp_path)}}
    assert DIRECTLY % "release_info" in said("release_info", asked)
    assert DIRECTLY % "release_info" not in said("release_info", asked, ANSIBLE_KEEP_REMOTE_FILES="1")
    built = artifact(tmp_path, "1.0.0")
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    install = {"path": str(tmp_path / "shop"), "version": "1.0.0", "sha256": digest}
    downloaded = said("install", {**install, "src": built.as_uri()})
    assert DIRECTLY % "install" not in downloaded
    assert '"live": "1.0.0"' in downloaded
    assert DIRECTLY % "install" in said("install", install)


def test_nothing_secret_is_shown_however_much_is_said(tmp_path: pathlib.Path) -> None:
    release(tmp_path, BOOKS)
    args = {"engine": "sql", "path": str(tmp_path), "url": f"sqlite:///{tmp_path}/hush-hush.db", "environment": {"TOKEN": "very-secret"}}
    told = said("migrate", args, ANSIBLE_VERBOSITY="4", ANSIBLE_DEBUG="0")
    assert DIRECTLY % "migrate" in told
    assert '"needed": true' in told
    # What was typed on the command line is ansible's to show.
    answers = told.partition(DIRECTLY % "migrate")[2]
    assert "hush-hush" not in answers
    assert "very-secret" not in answers


@pytest.mark.parametrize(
    ("program", "seen"),
    [
        ("#!/bin/sh\nexit 5\n", "ended with 5; found: nothing"),
        ("#!/bin/sh\ncat > /dev/null; echo 'no python here' >&2; exit 3\n", "ended with 3; found: no python here"),
    ],
)
def test_a_host_whose_python_does_not_answer_is_told_clearly(tmp_path: pathlib.Path, program: str, seen: str) -> None:
    python = tmp_path / "python"
    python.write_text(program)
    python.chmod(0o755)
    told = said("release_info", {"install": {"path": str(tmp_path)}}, interpreter=str(python))
    assert "surefoot.release.release_info gave no answer and " + seen in told
    assert "see that the host" in told
