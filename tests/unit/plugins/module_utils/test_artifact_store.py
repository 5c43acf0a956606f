"""What is read from the disk, what is kept, and which options are refused."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import ARGUMENT_SPEC, parse
from ansible_collections.surefoot.release.plugins.module_utils.artifact.store import Staged, prunable, survey
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

SHA = "0123456789abcdef" * 4


def params(**given: t.Any) -> dict[str, t.Any]:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate(dict(path="/srv/bookshop", version="1.0.0", **given) | given)
    assert not validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


@pytest.mark.parametrize("version", ["1", "2.0.0", "2.0.0-rc.1+build_7", "v" * 128])
def test_versions_that_can_be_directory_names(version: str) -> None:
    assert parse({**params(), "version": version}).version == version


HOSTILE = ["", ".", "..", "../1", "a/b", "/etc", "-rf", ".hidden", "1.0\n", "a b", "$(id)", "1;id", "ü", "1\0", "v" * 129, "{{ 1 }}", "<b>"]


@pytest.mark.parametrize("version", HOSTILE)
def test_hostile_versions_are_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match="version begins"):
        parse({**params(), "version": version})


@pytest.mark.parametrize("path", ["srv/bookshop", "", ".", "/", "//", "/srv/.."])
def test_an_install_path_must_be_absolute_and_not_everything(path: str) -> None:
    with pytest.raises(InvalidInput, match="absolute"):
        parse({**params(), "path": path})
    with pytest.raises(InvalidInput, match="absolute"):
        survey({"path": path})


@pytest.mark.parametrize("entry", ["", "/", "/etc", "..", "a/../b", "a/..", "./a", "a//b", "a\0"])
def test_shared_paths_stay_inside(entry: str) -> None:
    with pytest.raises(InvalidInput, match="shared"):
        parse(params(shared=[entry]))


@pytest.mark.parametrize("value", [SHA, SHA.upper(), f"{SHA}  dist/app.tar.gz\n", f"  {SHA}\n"])
def test_a_checksum_may_be_what_sha256sum_prints(value: str) -> None:
    assert parse(params(sha256=value)).sha256 == SHA


@pytest.mark.parametrize("value", ["abc", SHA[:-1], SHA + "0", "g" * 64, "sha256:" + SHA])
def test_what_is_no_checksum_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="no SHA-256"):
        parse(params(sha256=value))


def test_no_password_in_an_address() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(params(src="https://me:sesame@artifacts.example/app.tar.gz"))
    assert "sesame" not in str(caught.value)
    assert parse(params(src="https://artifacts.example/@scope/app.tar.gz")).url
    assert parse(params(src="dist/app.tar.gz")).url is None


@pytest.mark.parametrize(
    "given",
    [dict(prepare=[[]]), dict(prepare=[[""]]), dict(keep=-1), dict(environment="[1]"), dict(environment="{"), dict(environment={"A": [1]})],
)
def test_other_bad_options(given: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidInput):
        parse(params(**given))


def test_environment_values_become_text() -> None:
    assert parse(params(environment={"A": 1, "B": None, "C": "x"})).environment == {"A": "1", "C": "x"}


def staged(*versions: str) -> list[Staged]:
    return [Staged(version, SHA, float(number)) for number, version in enumerate(versions)]


@pytest.mark.parametrize(
    ("live", "wanted", "keep", "verified", "removed"),
    [
        ("5", "6", 5, None, []),
        ("5", "6", 2, None, ["1", "2"]),
        ("5", "6", 0, None, ["1", "2", "3", "4"]),
        ("1", "6", 2, None, ["2", "3"]),  # the live one stays, however old
        ("1", "2", 0, [], ["3", "4", "5", "6"]),
        ("5", "6", 2, ["1", "2"], ["3", "4"]),  # bad ones push no good one out
        ("5", "6", 1, ["1", "2", "5", "6"], ["1", "3", "4"]),  # the live and the wanted one do not use up places
        ("5", "6", 5, [], ["1", "2", "3", "4"]),
        (None, "6", 5, ["gone"], ["1", "2", "3", "4", "5"]),
    ],
)
def test_what_is_pruned(live: str | None, wanted: str, keep: int, verified: list[str] | None, removed: list[str]) -> None:
    assert prunable(reversed(staged("1", "2", "3", "4", "5", "6")), live=live, wanted=wanted, keep=keep, verified=verified) == removed


def make(path: pathlib.Path, version: str, *, at: float = 1.0, record: t.Any = None) -> None:
    (path / "releases" / version).mkdir(parents=True)
    records = path / ".surefoot" / "artifacts"
    records.mkdir(parents=True, exist_ok=True)
    (records / f"{version}.json").write_text(json.dumps(record if record is not None else dict(version=version, sha256=SHA, staged_at=at)))


def test_nothing_there_yet(tmp_path: pathlib.Path) -> None:
    assert survey({"path": str(tmp_path / "app")}) == dict(path=str(tmp_path / "app"), live=None, staged=[], problem=None)


def test_the_records_count_and_file_times_do_not(tmp_path: pathlib.Path) -> None:
    make(tmp_path, "2.0.0", at=20)
    make(tmp_path, "1.0.0", at=10)
    os.utime(tmp_path / "releases/1.0.0", (2e9, 2e9))
    (tmp_path / "releases/half").mkdir()
    make(tmp_path, "gone", at=5)
    (tmp_path / "releases/gone").rmdir()
    (tmp_path / "current").symlink_to("releases/1.0.0")
    found = survey({"path": str(tmp_path)})
    assert [one["version"] for one in found["staged"]] == ["1.0.0", "2.0.0"]
    assert found["staged"][0] == dict(version="1.0.0", sha256=SHA, staged_at=10.0)
    assert (found["live"]["version"], found["live"]["sha256"], found["problem"]) == ("1.0.0", SHA, None)
    assert found["live"]["since"] == pytest.approx(os.lstat(tmp_path / "current").st_mtime)


@pytest.mark.parametrize("record", ["text", [], {}, dict(version="other", sha256=SHA, staged_at=1), dict(version="1", sha256=SHA, staged_at="soon"), 7])
def test_a_broken_record_is_no_release(tmp_path: pathlib.Path, record: t.Any) -> None:
    make(tmp_path, "1", record=record)
    assert survey({"path": str(tmp_path)})["staged"] == []


def test_a_torn_record_is_no_release(tmp_path: pathlib.Path) -> None:
    make(tmp_path, "1")
    (tmp_path / ".surefoot/artifacts/1.json").write_bytes(b'{"version": "1", "sha\xff')
    assert survey({"path": str(tmp_path)})["staged"] == []


def test_an_absolute_link_made_by_another_tool_is_understood(tmp_path: pathlib.Path) -> None:
    (tmp_path / "releases/20260101").mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "releases/20260101")
    found = survey({"path": str(tmp_path)})
    assert (found["live"]["version"], found["live"]["sha256"], found["problem"]) == ("20260101", None, None)


def test_a_dangling_link_names_its_version_and_the_problem(tmp_path: pathlib.Path) -> None:
    (tmp_path / "current").symlink_to("releases/1.0.0")
    (tmp_path / "releases").mkdir()
    found = survey({"path": str(tmp_path)})
    assert found["live"]["version"] == "1.0.0"
    assert "not there" in found["problem"]


@pytest.mark.parametrize("kind", ["directory", "file", "link elsewhere", "link to all releases"])
def test_a_current_that_is_no_release_is_a_problem(tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "releases").mkdir()
    current = tmp_path / "current"
    if kind == "directory":
        current.mkdir()
    elif kind == "file":
        current.touch()
    else:
        current.symlink_to("/usr/bin" if kind == "link elsewhere" else "releases")
    found = survey({"path": str(tmp_path)})
    assert found["live"] is None
    assert found["problem"]
