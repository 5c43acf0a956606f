"""When a cache is flushed, and the files backend."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import redis
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.cache import files_backend, redis_backend
from ansible_collections.surefoot.release.plugins.module_utils.cache.flush import FINGERPRINT_NAME, UNFINISHED, decide, perform
from ansible_collections.surefoot.release.plugins.module_utils.cache.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.cache.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed


def options(**given: t.Any) -> dict[str, t.Any]:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(given)
    assert not validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> pathlib.Path:
    directory = tmp_path / "cache"
    directory.mkdir()
    for name in ("page%3A1", "page%3A2", "page%3A%C3%A4", "pages%3A1", "session%3A1"):
        (directory / name).write_text("old")
    (directory / "page%3Adir").mkdir()
    return directory


def contents(directory: pathlib.Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("stored", "holds", "extra", "flush", "record", "words"),
    [
        ("new", True, {}, False, False, "unchanged"),
        ("old", True, {}, True, True, "changed from old to new"),
        ("old", False, {}, True, True, "changed from old to new"),
        (None, False, {}, False, True, "holds nothing"),
        (None, True, {}, True, True, "unknown shape"),
        (None, True, {"initial": "record"}, False, True, "trust"),
        (None, False, {"initial": "record"}, False, True, "holds nothing"),
        (UNFINISHED + "new", True, {}, True, True, "not finished"),
        (UNFINISHED + "new", True, {"initial": "record"}, True, True, "not finished"),
        ("new", True, {"force": True}, True, True, "forced"),
        ("old", True, {"state": "recorded"}, False, True, "only the fingerprint"),
        ("new", True, {"state": "recorded"}, False, False, "only the fingerprint"),
    ],
)
def test_decision(stored: str | None, holds: bool, extra: dict[str, t.Any], flush: bool, record: bool, words: str) -> None:
    decision = decide(stored, "new", holds_entries=holds, **extra)
    assert (decision.flush, decision.record) == (flush, record)
    assert words in decision.reason


def test_unknown_shapes_are_flushed_and_only_they(cache: pathlib.Path) -> None:
    step = perform(options(backend="files", path=str(cache), prefix="page:", version="1"), check_mode=False)
    assert step.needed
    assert "unknown shape" in step.reason
    assert step.before == {"fingerprint": None, "entries": 3}
    assert step.after["entries"] == 0
    assert step.impact == {"entries_removed": 3}
    assert step.undo == {"prefix": "page:"}
    assert sorted(path.name for path in cache.iterdir()) == sorted(["page%3A" + FINGERPRINT_NAME, "page%3Adir", "pages%3A1", "session%3A1"])


def test_second_run_changes_nothing_and_a_way_back_flushes_again(cache: pathlib.Path) -> None:
    def run(version: str) -> t.Any:
        return perform(options(backend="files", path=str(cache), prefix="page:", version=version), check_mode=False)

    run("1")
    (cache / "page%3A1").write_text("shape 1")
    before = contents(cache)
    again = run("1")
    assert not again.needed
    assert again.before == again.after
    assert again.undo is None
    assert contents(cache) == before
    assert run("2").needed
    (cache / "page%3A1").write_text("shape 2")
    back = run("1")
    assert "cached shapes changed" in back.reason
    assert not (cache / "page%3A1").exists()


def test_an_empty_cache_is_only_recorded(tmp_path: pathlib.Path) -> None:
    step = perform(options(backend="files", path=str(tmp_path), prefix="page:", version="1"), check_mode=False)
    assert not step.needed
    assert step.before["fingerprint"] is None
    assert not perform(options(backend="files", path=str(tmp_path), prefix="page:", version="1"), check_mode=False).needed


def test_check_mode_touches_nothing_and_predicts(cache: pathlib.Path) -> None:
    given = options(backend="files", path=str(cache), prefix="page:", version="1")
    before = contents(cache)
    predicted = perform(given, check_mode=True)
    assert contents(cache) == before
    done = perform(given, check_mode=False)
    assert (predicted.before, predicted.after, predicted.needed, predicted.reason) == (done.before, done.after, done.needed, done.reason)


def test_a_flush_that_died_halfway_is_done_again_for_whichever_release_comes(cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    perform(options(backend="files", path=str(cache), prefix="page:", version="1"), check_mode=False)
    for number in range(5):
        (cache / f"page%3A{number}").write_text("old")
    unlink, left = files_backend.os.unlink, [2]

    def die(path: str) -> None:
        if not left[0]:
            raise PermissionError(13, "Permission denied", path)
        left[0] -= 1
        unlink(path)

    monkeypatch.setattr(files_backend.os, "unlink", die)
    with pytest.raises(StepFailed, match="could not be removed"):
        perform(options(backend="files", path=str(cache), prefix="page:", version="2"), check_mode=False)
    monkeypatch.undo()
    step = perform(options(backend="files", path=str(cache), prefix="page:", version="1"), check_mode=False)
    assert "not finished" in step.reason
    assert step.after["entries"] == 0


def test_state_recorded_flushes_nothing(cache: pathlib.Path) -> None:
    step = perform(options(backend="files", path=str(cache), prefix="page:", version="1", state="recorded"), check_mode=False)
    assert not step.needed
    assert (cache / "page%3A1").exists()
    assert not perform(options(backend="files", path=str(cache), prefix="page:", version="1"), check_mode=False).needed


def test_an_empty_prefix_is_invalid(cache: pathlib.Path) -> None:
    with pytest.raises(InvalidInput, match="empty prefix"):
        perform(options(backend="files", path=str(cache), prefix="", version="1"), check_mode=False)


def test_a_missing_directory_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refused, match="does not exist"):
        perform(options(backend="files", path=str(tmp_path / "none"), prefix="p", version="1"), check_mode=False)


def test_survey(cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
    given = {"backend": "files", "path": str(cache), "prefix": "page:"}
    before = contents(cache)
    assert survey(options(**given)) == {
        "backend": "files", "reachable": True, "reason": "nothing declares the shape of the cached entries", "stored": None, "declared": None, "needed": False,
    }  # fmt: skip
    found = survey(options(**given, version="1"))
    assert found["needed"]
    assert "unknown shape" in found["reason"]
    assert contents(cache) == before
    perform(options(**given, version="1"), check_mode=False)
    found = survey(options(**given, version="1"))
    assert not found["needed"]
    assert found["stored"] == found["declared"]
    absent = survey(options(**given, shapes=["*"], root=str(tmp_path / "not-yet")))
    assert absent["reachable"]
    assert absent["declared"] is None
    unreachable = survey(options(backend="files", path=str(tmp_path / "none"), prefix="p", version="1"))
    assert not unreachable["reachable"]
    assert "does not exist" in unreachable["reason"]


def test_without_the_library_the_error_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_backend, "redis", None)
    with pytest.raises(Refused, match="The redis library is missing; found: none for /"):
        redis_backend.open_cache("redis://localhost", "p", "f")


@pytest.mark.parametrize(
    "url", ["redis://user:hun/ter2@host:1", "redis://user:hunter2@host:notaport/0", "memcached://:hunter2@host", "hunter2", "redis://:hunter2@[bad/0"]
)
def test_a_bad_url_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        redis_backend.open_cache(url, "p", "f")
    assert "hunter" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_an_error_of_the_library_that_quotes_the_password_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def quoting(*_arguments: t.Any, **_named: t.Any) -> t.NoReturn:
        raise redis.exceptions.ConnectionError("no route to redis://u:hunt%40er@host and not with hunt@er either")

    monkeypatch.setattr(redis.Redis, "info", quoting)
    with pytest.raises(Refused, match="no route") as caught:
        redis_backend.open_cache("redis://u:hunt%40er@host", "p", "f")
    assert "er@" not in str(caught.value)
    assert "hunt" not in str(caught.value)


def test_secrets_are_found_in_every_form() -> None:
    assert set(redis_backend.secrets("redis://u:p%40ss@host/0?password=quer%79")) == {"p%40ss", "p@ss", "quer%79", "query"}
