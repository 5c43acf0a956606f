# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting hold of an artifact: what came along with the module, was uploaded, or is downloaded by the host."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import shutil
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.artifact.archive import CHUNK
from ansible_collections.surefoot.release.plugins.module_utils.artifact.options import Wanted
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, StepFailed


@contextlib.contextmanager
def opened(wanted: Wanted, workspace: str) -> t.Iterator[tuple[t.BinaryIO, str]]:
    """The artifact as a seekable stream and its SHA-256; a download goes into the directory `workspace`.

    Raises `InvalidInput` where the checksum is not the one asked for, and `StepFailed` where the artifact cannot be had.
    """
    with _source(wanted, workspace) as stream:
        digest = _sha256(stream)
        if wanted.sha256 and wanted.sha256 != digest:
            raise InvalidInput(
                "The artifact of %s does not have the checksum asked for; nothing of it was installed" % wanted.version,
                seen="%s instead of %s" % (digest, wanted.sha256),
                todo="check where it comes from; correct sha256 only if this is the artifact you tested",
            )
        stream.seek(0)
        yield stream, digest


def _source(wanted: Wanted, workspace: str) -> t.BinaryIO:
    if wanted.content:
        return io.BytesIO(wanted.content if isinstance(wanted.content, bytes) else base64.b64decode(wanted.content))
    if wanted.uploaded:
        return open(wanted.uploaded, "rb")
    download = os.path.join(workspace, "artifact")
    _download(t.cast("str", wanted.url), download)
    return open(download, "rb")


def _download(url: str, path: str) -> None:
    # Imported here, since most artifacts come along, and a host takes about as long to load this as to unpack one.
    import http.client

    from ansible.module_utils import urls

    try:
        # Undecoded: what is checked and unpacked is the file itself, whatever a server says about its encoding.
        with contextlib.closing(urls.open_url(url, timeout=30, http_agent="surefoot", decompress=False)) as answer, open(path, "wb") as copy:
            shutil.copyfileobj(answer, copy, CHUNK)
            expected = answer.headers.get("Content-Length")
            if expected is not None and int(expected) != copy.tell():
                raise OSError("the connection ended after %d of %s bytes" % (copy.tell(), expected))
    except (OSError, ValueError, http.client.HTTPException, urls.ConnectionError, urls.MissingModuleError) as error:
        raise StepFailed("The artifact cannot be downloaded", seen="%s: %s" % (url, error), todo="see that the host can reach it") from error


def _sha256(stream: t.BinaryIO) -> str:
    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()
