"""Archives made to break out, to fill the disk, or broken themselves."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pathlib
import stat
import tarfile
import typing as t
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.surefoot.release.plugins.module_utils.artifact.archive import Limits, unpack
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, StepFailed

Member = tuple[str, dict[str, t.Any], bytes]


def member(name: str, content: bytes = b"", **fields: t.Any) -> Member:
    return name, fields, content


def tar(*members: Member, compression: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.external_attr = mode << 16 or 0x20  # as Windows writes it: no mode at all
            archive.writestr(info, content)
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "outside").write_text("untouched")
    tree = tmp_path / "a" / "tree"
    tree.mkdir(parents=True)
    return tree


@pytest.fixture(autouse=True)
def usual_umask() -> t.Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)


def outside(tree: pathlib.Path) -> set[str]:
    top = tree.parent.parent
    return {str(path.relative_to(top)) for path in top.rglob("*") if tree not in path.parents}


SYMLINK, HARDLINK = dict(type=tarfile.SYMTYPE), dict(type=tarfile.LNKTYPE)
HOSTILE = {
    "absolute name": [member("/outside", b"x")],
    "parent directory": [member("../../outside", b"x")],
    "parent directory inside": [member("lib/../../../outside", b"x")],
    "parent directory as directory": [member("../../made", type=tarfile.DIRTYPE)],
    "absolute link": [member("link", linkname="/etc/passwd", **SYMLINK)],
    "absolute link and a file through it": [member("link", linkname="/etc", **SYMLINK), member("link/x", b"x")],
    "link out of the tree": [member("link", linkname="../../outside", **SYMLINK)],
    "link out and a file through it": [member("link", linkname="../..", **SYMLINK), member("link/outside", b"x")],
    "file first, link in its place later": [member("d/outside", b"x"), member("d", linkname="../..", **SYMLINK)],
    "link through a link": [member("p/q/r", linkname="../..", **SYMLINK), member("m", linkname="p/q/r/../../outside", **SYMLINK)],
    "link below a link": [member("d", linkname="../..", **SYMLINK), member("d/e", linkname="outside", **SYMLINK)],
    "empty link": [member("link", linkname="", **SYMLINK)],
    "hard link out": [member("hard", linkname="../../outside", **HARDLINK)],
    "absolute hard link": [member("hard", linkname="/etc/passwd", **HARDLINK)],
    "hard link to a link": [member("link", linkname="../../outside", **SYMLINK), member("hard", linkname="link", **HARDLINK)],
    "hard link to nothing": [member("hard", linkname="missing", **HARDLINK)],
    "character device": [member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "block device": [member("disk", type=tarfile.BLKTYPE, devmajor=8)],
    "pipe": [member("pipe", type=tarfile.FIFOTYPE)],
    "setuid": [member("sh", b"x", mode=0o4755)],
    "setgid": [member("sh", b"x", mode=0o2755)],
    "the same name twice": [member("x", b"1"), member("x", b"2")],
    "a file below a file": [member("x", b"1"), member("x/y", b"2")],
    "no name": [member(".", b"x")],
    "too many": [member(f"f{number}") for number in range(11)],
    "too large together": [member("a", bytes(60000)), member("b", bytes(60000))],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_hostile_tar_is_refused_and_reaches_nothing(tree: pathlib.Path, members: list[Member], compression: str) -> None:
    before = outside(tree)
    with pytest.raises(InvalidInput) as caught:
        unpack(io.BytesIO(tar(*members, compression=compression)), str(tree), Limits(entries=10, size=100000))
    assert caught.value.todo
    assert outside(tree) == before
    assert (tree.parent.parent / "outside").read_text() == "untouched"


@pytest.mark.parametrize(
    "members",
    [
        [("/outside", b"x", 0o644)],
        [("../../outside", b"x", 0o644)],
        [("link", b"../../outside", stat.S_IFLNK | 0o777)],
        [("link", b"/etc", stat.S_IFLNK | 0o777)],
        [("link", b"../..", stat.S_IFLNK | 0o777), ("link/outside", b"x", 0o644)],
        [("sh", b"x", stat.S_IFREG | 0o4755)],
        [("pipe", b"", stat.S_IFIFO | 0o644)],
        [("device", b"", stat.S_IFCHR | 0o644)],
        [("x", b"1", 0o644), ("./x", b"2", 0o644)],
        [("bomb", bytes(10_000_000), 0o644)],
        [(f"f{number}", b"", 0o644) for number in range(11)],
    ],
)
def test_a_hostile_zip_is_refused_and_reaches_nothing(tree: pathlib.Path, members: list[tuple[str, bytes, int]]) -> None:
    before = outside(tree)
    with pytest.raises(InvalidInput):
        unpack(io.BytesIO(zipped(*members)), str(tree), Limits(entries=10, size=100000))
    assert outside(tree) == before


def test_a_bomb_is_stopped_at_the_limit_and_not_after_it(tree: pathlib.Path) -> None:
    bomb = tar(member("zeros", bytes(50_000_000)), compression="gz")
    assert len(bomb) < 100_000
    with pytest.raises(InvalidInput, match="more than 3000000 bytes"):
        unpack(io.BytesIO(bomb), str(tree), Limits(size=3_000_000))
    assert (tree / "zeros").stat().st_size <= 3_000_000


def test_a_header_that_would_fill_the_memory_is_refused(tree: pathlib.Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    with pytest.raises(InvalidInput, match="one header"):
        unpack(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240)), str(tree))


GOOD = (member("app.py", b"print()" * 1000), member("bin/run", b"#!/bin/sh\n", mode=0o755))


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_an_archive_cut_short_anywhere_is_refused(tree: pathlib.Path, compression: str) -> None:
    whole = tar(*GOOD, compression=compression)
    padding = 10240 - 2 * 512 if not compression else 0  # a plain tar may lose some of the zeros at its end
    for number, length in enumerate([*range(1, len(whole) - padding, max(1, len(whole) // 60)), len(whole) - padding - 1]):
        into = tree / str(number)
        into.mkdir()
        with pytest.raises(InvalidInput):
            unpack(io.BytesIO(whole[:length]), str(into))


def test_a_plain_tar_without_its_end_is_refused(tree: pathlib.Path) -> None:
    whole = tar(member("a", b"x" * 512), member("b", b"y" * 512))
    with pytest.raises(InvalidInput, match="cut short"):
        unpack(io.BytesIO(whole[:1024]), str(tree))


def test_a_damaged_header_is_not_taken_for_the_end(tree: pathlib.Path) -> None:
    whole = bytearray(tar(member("a", b"x" * 512), member("b", b"y" * 512)))
    whole[1024 + 148 : 1024 + 154] = b"999999"
    with pytest.raises(InvalidInput):
        unpack(io.BytesIO(whole), str(tree))


@pytest.mark.parametrize("content", [b"", b"\0" * 2048, b"<html>not found</html>", b"\x28\xb5\x2f\xfd" + bytes(600), b"PK\x03\x04", b"\x1f\x8b"])
def test_what_is_no_archive_is_refused(tree: pathlib.Path, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        unpack(io.BytesIO(content), str(tree))


def test_a_zip_with_an_impossible_date_is_refused(tree: pathlib.Path) -> None:
    whole = bytearray(zipped(("x", b"1", 0o644)))
    date = whole.rindex(b"PK\x01\x02") + 14
    whole[date : date + 2] = b"\0\0"
    with pytest.raises(InvalidInput, match="damaged"):
        unpack(io.BytesIO(whole), str(tree))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), compression=st.sampled_from(["", "gz", "zip"]))
def test_damage_anywhere_is_told_as_damage_and_reaches_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, compression: str) -> None:
    top = tmp_path_factory.mktemp("fuzz")
    tree = top / "a" / "tree"
    tree.mkdir(parents=True)
    members = (*GOOD, member("link", linkname="app.py", **SYMLINK))
    whole = bytearray(zipped(("app.py", b"print()", 0o644), ("bin/run", b"#!", 0o755)) if compression == "zip" else tar(*members, compression=compression))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidInput, StepFailed):
        unpack(io.BytesIO(whole), str(tree), Limits(size=1_000_000))
    assert {path.name for path in top.iterdir()} == {"a"}
    assert {path.name for path in (top / "a").iterdir()} == {"tree"}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_good_tar_is_unpacked_with_sane_modes(tree: pathlib.Path, compression: str) -> None:
    members = [
        member("./", type=tarfile.DIRTYPE, mode=0o2777),
        member("./app/", type=tarfile.DIRTYPE, mode=0o000),
        member("./app/world.py", b"x", mode=0o666, uid=12345, mtime=1700000000),
        member("app/secret", b"x", mode=0o600),
        member("app/run", b"x", mode=0o777),
        member("app/locked", b"x", mode=0o000),
        member("app/latest", linkname="world.py", **SYMLINK),
        member("app/dangling", linkname="later/made", **SYMLINK),
        member("app/copy", linkname="./app/world.py", **HARDLINK),
        member("ünï/\udcff", b"x"),
    ]
    unpack(io.BytesIO(tar(*members, compression=compression)), str(tree))
    modes = {name: stat.S_IMODE((tree / "app" / name).stat().st_mode) for name in ("world.py", "secret", "run", "locked")}
    assert modes == {"world.py": 0o644, "secret": 0o600, "run": 0o755, "locked": 0o600}
    assert stat.S_IMODE((tree / "app").stat().st_mode) == 0o755
    assert (tree / "app/world.py").stat().st_uid == os.geteuid()
    assert (tree / "app/world.py").stat().st_mtime == 1700000000
    assert (tree / "app/latest").readlink() == pathlib.Path("world.py")
    assert (tree / "app/dangling").readlink() == pathlib.Path("later/made")
    assert (tree / "app/copy").samefile(tree / "app/world.py")
    assert (tree / "ünï/\udcff").exists()


def test_a_good_zip_is_unpacked_and_the_umask_counts(tree: pathlib.Path) -> None:
    os.umask(0o027)
    members = [("app/", b"", 0o755), ("app/run", b"x", stat.S_IFREG | 0o755), ("plain", b"y", 0), ("link", b"app/run", stat.S_IFLNK | 0o777)]
    unpack(io.BytesIO(zipped(*members)), str(tree))
    assert stat.S_IMODE((tree / "app/run").stat().st_mode) == 0o750
    assert stat.S_IMODE((tree / "plain").stat().st_mode) == 0o640
    assert (tree / "link").read_text() == "x"


def test_an_impossible_time_is_no_error(tree: pathlib.Path) -> None:
    unpack(io.BytesIO(tar(member("a", b"x", pax_headers={"mtime": "inf"}), member("b", b"x", mtime=-5.0))), str(tree))
    assert (tree / "a").stat().st_mtime == 0


def test_a_host_that_cannot_write_is_no_fault_of_the_artifact(tree: pathlib.Path) -> None:
    with pytest.raises(StepFailed, match="cannot be unpacked on this host"):
        unpack(io.BytesIO(tar(member("x" * 255 + "/" + "y" * 256, b"x"))), str(tree))


def test_a_disk_that_fills_up_is_told_with_its_place(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: str, _times: tuple[float, float]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "utime", full)
    with pytest.raises(StepFailed, match=f"found: {tree}/big: .*No space left on device; next: make room there"):
        unpack(io.BytesIO(tar(member("big", b"x"))), str(tree))
