# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking an artifact so that nothing in it can reach outside of the directory it is given.

Only plain files, directories, and links that stay inside are unpacked. Ownership is never taken from the archive; modes lose what the umask takes,
writing by group and others, and the sticky bit. Links are made last, so no file is ever written through one.
"""

from __future__ import annotations

import calendar
import contextlib
import dataclasses
import importlib
import os
import stat
import struct
import tarfile
import typing as t
import zipfile
import zlib

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, StepFailed

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it cannot raise it
    LZMAError = EOFError  # type: ignore[misc,assignment]

CHUNK = 1024 * 1024
_LONGEST_HEADER = 16 * CHUNK
_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "lzma"))
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ImportError,
    struct.error,
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much an artifact may unpack to; `size` is in bytes and counts what the archive needs for itself."""

    entries: int = 200000
    size: int = 8 * 1024**3


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member of an archive: `kind` is file, directory, symlink or hardlink; `mtime` is in seconds since the epoch."""

    name: str
    kind: str
    mode: int = 0
    mtime: float = 0
    target: str = ""
    content: t.Callable[[], t.BinaryIO] | None = None


def unpack(stream: t.BinaryIO, destination: str, limits: Limits | None = None) -> None:
    """Unpack the tar (plain, gz, bz2, xz) or zip archive in `stream` into the empty directory `destination`.

    Raises `InvalidInput` for an archive that is damaged, too large, or reaches outside, and `StepFailed` where this host cannot write. Whatever was
    unpacked until then is left to the caller to remove.
    """
    limits = limits or Limits()
    target = _Target(destination, limits)
    start = stream.read(512)
    stream.seek(0)
    entries = _zip_entries(stream) if start.startswith(b"PK") else _tar_entries(stream, start, limits)
    for entry in entries:
        target.add(entry)
    target.link()


class _Target:
    """The directory being filled."""

    def __init__(self, root: str, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._entries = 0
        self._size = 0
        self._files: set[str] = set()
        self._links: list[tuple[str, str]] = []

    def add(self, entry: Entry) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise _too_large("%d entries" % self._limits.entries)
        name = _inside(entry.name)
        if not name and entry.kind != "directory":
            raise _unsafe("an entry without a name", entry.name)
        path = os.path.join(self._root, name)
        with _writing(entry.name, path):
            os.makedirs(path if entry.kind == "directory" else os.path.dirname(path), exist_ok=True)
            if entry.kind == "file":
                self._files.add(name)
                self._write(path, entry)
            elif entry.kind == "hardlink":
                source = _inside(entry.target)
                if source not in self._files:
                    raise _unsafe("a hard link to something that is no earlier file of this archive", "%s -> %s" % (entry.name, entry.target))
                os.link(os.path.join(self._root, source), path)
            elif entry.kind == "symlink":
                self._links.append((name, entry.target))

    def link(self) -> None:
        """Make the symbolic links, now that nothing is written any more, and see where each of them really leads."""
        for name, target in self._links:
            if not target or target.startswith("/") or "\0" in target:
                raise _unsafe("a link that leaves it", "%s -> %s" % (name, target))
            path = os.path.join(self._root, name)
            with _writing(name, path):
                os.symlink(target, path)
        root = os.path.realpath(self._root)
        for name, target in self._links:
            if not (os.path.realpath(os.path.join(root, name)) + os.sep).startswith(root + os.sep):
                raise _unsafe("a link that leaves it", "%s -> %s" % (name, target))

    def _write(self, path: str, entry: Entry) -> None:
        mode = entry.mode & 0o755 | 0o600
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode if mode & 0o100 else mode & 0o644)
        with os.fdopen(descriptor, "wb") as copy:
            if entry.content is not None:
                for chunk in _chunks(entry.content):
                    self._size += len(chunk)
                    if self._size > self._limits.size:
                        raise _too_large("%d bytes" % self._limits.size)
                    copy.write(chunk)
        # The same on every host, so that what web servers derive from it (Last-Modified, ETag) is the same behind a balancer.
        os.utime(path, (_whole_seconds(entry.mtime),) * 2)


class _Bounded:
    """A decompressed tar that is never read past its limit, nor in one gulp: a forged header would fill the memory."""

    def __init__(self, stream: t.BinaryIO, limits: Limits) -> None:
        self._stream = stream
        self._limit = limits.size

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise _too_large("%d bytes in one header" % _LONGEST_HEADER)
        data = self._stream.read(size)
        self._check(self.tell())
        return data

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise _too_large("%d bytes" % self._limit)


def _tar_entries(stream: t.BinaryIO, start: bytes, limits: Limits) -> t.Iterator[Entry]:
    with _reading():
        bounded = _Bounded(_decompressed(stream, start), limits)
        archive = tarfile.TarFile(fileobj=t.cast("t.BinaryIO", bounded), mode="r", encoding="utf-8", errors="surrogateescape")
    while True:
        with _reading():
            member = archive.next()
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep every one in memory
        if member is None:
            break
        yield _tar_entry(archive, member)
    with _reading():
        _expect_end(bounded, archive.offset)


def _decompressed(stream: t.BinaryIO, start: bytes) -> t.BinaryIO:
    for magic, module in _COMPRESSIONS:
        if start.startswith(magic):
            return t.cast("t.BinaryIO", importlib.import_module(module).open(stream))
    if start[257:262] != b"ustar":
        raise InvalidInput("The artifact is no archive this can unpack", seen="begins with %r" % start[:8], todo="build a tar (plain, gz, bz2, xz) or a zip")
    return stream


def _tar_entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.isdir():
        return Entry(member.name, "directory")
    if member.issym():
        return Entry(member.name, "symlink", target=member.linkname)
    if member.islnk():
        return Entry(member.name, "hardlink", target=member.linkname)
    if not member.isreg():
        raise _unsafe("a device, pipe or other special file", member.name)
    _refuse_setuid(member.name, member.mode)
    return Entry(member.name, "file", member.mode, member.mtime, content=lambda: t.cast("t.BinaryIO", archive.extractfile(member)))


def _expect_end(archive: _Bounded, offset: int) -> None:
    """A tar ends with blocks of zeros; tarfile itself takes a damaged header, or nothing at all, for the end as well."""
    archive.seek(offset)
    if archive.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end of the archive where it should be")
    while archive.read(CHUNK):
        pass


def _zip_entries(stream: t.BinaryIO) -> t.Iterator[Entry]:
    with _reading():
        archive = zipfile.ZipFile(stream)
    for member in archive.infolist():
        yield _zip_entry(archive, member)


def _zip_entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        with _reading(), archive.open(member) as held:
            return Entry(member.filename, "symlink", target=held.read(4096).decode("utf-8", "surrogateescape"))
    if member.filename.endswith("/"):
        return Entry(member.filename, "directory")
    if kind not in (0, stat.S_IFREG):
        raise _unsafe("a device, pipe or other special file", member.filename)
    _refuse_setuid(member.filename, mode)
    with _reading():
        made = calendar.timegm((*member.date_time, 0, 0, 0))
    return Entry(member.filename, "file", mode or 0o644, made, content=lambda: t.cast("t.BinaryIO", archive.open(member)))


def _inside(name: str) -> str:
    """`name` in its plain form, "" for the top directory itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _unsafe("a name that leaves it", name)
    return "/".join(parts)


def _refuse_setuid(name: str, mode: int) -> None:
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise _unsafe("a setuid or setgid file", name)


def _unsafe(what: str, name: str) -> InvalidInput:
    shown = name.encode("utf-8", "backslashreplace").decode("utf-8")[:200]
    return InvalidInput("The artifact holds %s; nothing of it was installed" % what, seen=shown, todo="build it again without that entry")


def _too_large(limit: str) -> InvalidInput:
    return InvalidInput("The artifact unpacks to more than %s; nothing of it was installed" % limit, todo="check what was packed into it")


def _chunks(content: t.Callable[[], t.BinaryIO]) -> t.Iterator[bytes]:
    with _reading():
        source = content()
    with source:
        while True:
            with _reading():
                chunk = source.read(CHUNK)
            if not chunk:
                return
            yield chunk


def _whole_seconds(mtime: float) -> int:
    """A forged header can hold anything, infinity among it."""
    return int(mtime) if 0 <= mtime < 2**32 else 0


@contextlib.contextmanager
def _reading() -> t.Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InvalidInput("The artifact is damaged or cut short; nothing of it was installed", seen=str(error), todo="build or transfer it again") from error


@contextlib.contextmanager
def _writing(name: str, path: str) -> t.Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _unsafe("two entries in one place", name) from None
    except (OSError, UnicodeError) as error:
        # A disk that fills up in the middle of a file names no path.
        seen = str(error) if getattr(error, "filename", None) else "%s: %s" % (path, error)
        raise StepFailed("The artifact cannot be unpacked on this host", seen=seen, todo="make room there or check permissions, then run this again") from error
