"""The note of what was released: what is read back, what is refused, and what each release adds."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed

IDENTITY = {"app": "shop", "environment": "staging"}
ENTRY = {"feature": "reviews", "release": "api", "digest": "d1", "outcome": "verified", "at": "2026-01-01T00:00:00+00:00", "run": "r1"}


def after(receipt: dict[str, t.Any] | None, live: str | None, *, before: str | None = None, **changes: str) -> dict[str, t.Any]:
    return receipts.with_entry(receipt, IDENTITY, {**ENTRY, **changes}, live=live, live_before=before)


def test_where_nothing_was_released_there_is_no_receipt(tmp_path: pathlib.Path) -> None:
    assert receipts.read(str(tmp_path / "shop.json")) is None
    assert receipts.read(str(tmp_path / "none/shop.json")) is None


def test_what_was_written_is_read_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "made/on/the/way/shop.json"
    receipt = after(None, "2.0.0", before="1.0.0")
    receipts.write(str(path), receipt)
    assert receipts.read(str(path)) == receipt
    assert receipt == {
        "receipt": 1,
        **IDENTITY,
        "live_version": "2.0.0",
        "verified_versions": ["1.0.0", "2.0.0"],
        "releases": [{**ENTRY, "version": "2.0.0"}],
    }


WHOLE = json.dumps(after(None, "2.0.0")).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(WHOLE[:-20], id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="not text"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="empty mapping"),
        pytest.param(b'{"receipt": "1"}', id="format as text"),
        pytest.param(b'{"receipt": 0, "releases": []}', id="format there never was"),
        pytest.param(b'{"receipt": 1}', id="no releases"),
        pytest.param(WHOLE.replace(b'"api"', b"null"), id="a release without a name"),
        pytest.param(WHOLE.replace(b'["2.0.0"]', b'"2.0.0"'), id="versions as text"),
        pytest.param(WHOLE.replace(b'["2.0.0"]', b"[2]"), id="a version as a number"),
        pytest.param(b'{"receipt": 1, "verified_versions": [], "releases": [1]}', id="a release that is none"),
    ],
)
def test_a_damaged_receipt_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "shop.json"
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"The receipt is damaged; found: .*shop.json; next: restore it"):
        receipts.read(str(path))
    assert path.read_bytes() == content


def test_a_receipt_of_a_newer_format_is_refused_and_not_called_damaged(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({"receipt": 2, "something": "else"}))
    with pytest.raises(Refused, match=r"newer format; found: .* has format 2, this is 1; next: use the surefoot that wrote it"):
        receipts.read(str(path))


def test_a_receipt_that_cannot_be_read_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refused, match=r"cannot be read; found: .*: Is a directory"):
        receipts.read(str(tmp_path))


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_write_that_is_interrupted_leaves_the_receipt_as_it_was(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    path = tmp_path / "shop.json"
    receipts.write(str(path), after(None, "1.0.0"))
    old = path.read_bytes()

    def interrupted(*_arguments: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            receipts.write(str(path), after(None, "2.0.0"))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_release_again_adds_nothing() -> None:
    once = after(None, "2.0.0", before="1.0.0")
    assert after(once, "2.0.0", before="2.0.0", at="later", run="r2") == once


@pytest.mark.parametrize("change", [{"digest": "d2"}, {"outcome": "rolled_back"}])
def test_the_same_release_with_another_end_is_added(change: dict[str, str]) -> None:
    once = after(None, "2.0.0")
    assert [entry["release"] for entry in after(once, "2.0.0", **change)["releases"]] == ["api", "api"]


def test_a_release_is_its_own_last_word_and_not_that_of_others() -> None:
    other = after(after(None, "2.0.0"), "2.1.0", release="list")
    assert len(other["releases"]) == 2
    assert after(other, "2.1.0", release="list") == other
    assert len(after(other, "2.1.0", feature="wishes", release="list")["releases"]) == 3
    assert len(after(other, "2.1.0")["releases"]) == 3, "the version that is live is part of what was released"


def test_a_way_back_takes_off_what_lies_above_the_version_it_led_to() -> None:
    receipt = after(after(None, "2.0.0", before="1.0.0"), "2.1.0", release="list")
    assert receipt["verified_versions"] == ["1.0.0", "2.0.0", "2.1.0"]
    back = after(receipt, "2.0.0", release="list", outcome="rolled_back")
    assert (back["live_version"], back["verified_versions"]) == ("2.0.0", ["1.0.0", "2.0.0"])


def test_a_way_back_to_what_was_never_verified_takes_nothing_off() -> None:
    receipt = after(None, "2.0.0", before="1.0.0")
    assert after(receipt, "0.9.0", outcome="rolled_back")["verified_versions"] == ["1.0.0", "2.0.0"]


def test_where_the_very_first_release_failed_what_it_was_taken_back_to_counts_as_verified_and_it_does_not() -> None:
    back = after(None, "1.0.0", before="2.0.0", outcome="rolled_back")
    assert back["verified_versions"] == ["1.0.0"]
    assert after(back, "2.0.0", before="1.0.0")["verified_versions"] == ["1.0.0", "2.0.0"]


def test_where_nothing_is_live_only_the_release_is_noted() -> None:
    receipt = after(None, None)
    assert (receipt["live_version"], receipt["verified_versions"], len(receipt["releases"])) == (None, [], 1)


def test_a_version_that_goes_live_again_is_the_newest_again() -> None:
    receipt = after(after(None, "1.0.0"), "2.0.0", release="list")
    assert after(receipt, "1.0.0", release="old")["verified_versions"] == ["2.0.0", "1.0.0"]


def test_where_a_receipt_can_be_written_nothing_is_said_and_nothing_is_made(tmp_path: pathlib.Path) -> None:
    assert receipts.problem(str(tmp_path / "made/on/the/way/shop.json")) is None
    assert list(tmp_path.iterdir()) == []


def disk(*, blocks: int = 100, free: int = 99, inodes: int = 100, free_inodes: int = 50, flags: int = 0) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, blocks, free, free, inodes, free_inodes, free_inodes, flags, 255))


@pytest.mark.parametrize(
    ("found", "allowed", "error"),
    [
        pytest.param(disk(free=3), True, errno.ENOSPC, id="full"),
        pytest.param(disk(free_inodes=0), True, errno.ENOSPC, id="no inodes"),
        pytest.param(disk(flags=os.ST_RDONLY), False, errno.EROFS, id="read-only"),
        pytest.param(disk(), False, errno.EACCES, id="not allowed"),
        pytest.param(disk(blocks=0, free=0, inodes=0, free_inodes=0), True, None, id="a file system that counts nothing"),
    ],
)
def test_why_no_receipt_could_be_written_is_seen_without_trying(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, found: os.statvfs_result, allowed: bool, error: int | None
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: found)
    monkeypatch.setattr(os, "access", lambda _path, _mode: allowed)
    assert receipts.problem(str(tmp_path / "none/shop.json")) == (f"{tmp_path}: {os.strerror(error)}" if error else None)


def test_a_file_in_the_place_of_the_directory_is_a_problem(tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes").touch()
    assert receipts.problem(str(tmp_path / "notes/shop.json")) == f"{tmp_path}/notes: Not a directory"


def test_a_receipt_that_cannot_be_written_is_told_with_what_to_do(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shop.json"
    receipts.write(str(path), after(None, "1.0.0"))
    written = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    told = f"The receipt cannot be written, .*; found: {path}: No space left on device; next: .*, then run the same command again"
    with pytest.raises(StepFailed, match=told):
        receipts.write(str(path), after(None, "2.0.0"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop.json"]
    assert path.read_bytes() == written


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
