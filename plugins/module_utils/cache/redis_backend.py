# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in Redis: found with SCAN, removed with UNLINK in pipelines, never with KEYS or FLUSHDB."""

from __future__ import annotations

import contextlib
import sys
import traceback
import typing as t
from urllib.parse import unquote, urlsplit

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused, StepFailed

try:
    import redis

    IMPORT_ERROR = None
except ImportError:
    redis = None
    IMPORT_ERROR = traceback.format_exc()

SCAN_COUNT = 5000
UNLINK_COUNT = 1000
TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0


def open_cache(url: str, prefix: str, fingerprint_name: str) -> RedisCache:
    """The entries under `prefix` in the Redis database at `url` (redis://, rediss:// or unix://).

    Raises InvalidInput for a URL that cannot be used, and Refused where the library is missing, the server cannot be reached, or it is a cluster.
    """
    if redis is None:
        raise Refused("The redis library is missing", seen="none for %s" % sys.executable, todo="install it for the Python that runs this module")
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT, socket_timeout=TIMEOUT)
        client.connection_pool.connection_kwargs["decode_responses"] = False  # an application's URL may ask for text
        where, hidden = _without_secrets(url), secrets(url)
    except (ValueError, TypeError):
        # The library's own message may quote the part of the URL that holds the password.
        raise InvalidInput(
            "The URL of the Redis cache cannot be used", todo="write it as redis://user:password@host:6379/0, with special characters percent-encoded"
        ) from None
    cache = RedisCache(client, where, hidden, prefix.encode("utf-8"), fingerprint_name.encode("utf-8"))
    cache.check()
    return cache


class RedisCache:
    """The entries under a prefix in one Redis database; see `cache.flush.Cache`."""

    def __init__(self, client: t.Any, where: str, hidden: t.Sequence[str], prefix: bytes, fingerprint_name: bytes) -> None:
        self._client = client
        self._where = where
        self._hidden = hidden
        self._prefix = prefix
        self._fingerprint = prefix + fingerprint_name

    def check(self) -> None:
        """Raises Refused unless this is one server that answers: a cluster would be scanned in part only."""
        with self._translated(Refused, "cannot be used"), contextlib.suppress(redis.exceptions.ResponseError):  # an ACL may forbid INFO
            if self._client.info("cluster").get("cluster_enabled"):
                raise Refused(
                    "Redis at %s is a cluster, and flushing one node would leave the entries of the others" % self._where, todo="use versioned keys there"
                )

    def stored(self) -> str | None:
        with self._translated(Refused, "cannot be read"):
            value = self._client.get(self._fingerprint)
        return None if value is None else value.decode("utf-8", "replace")

    def holds_entries(self) -> bool:
        return any(self._pages())

    def count(self) -> int:
        seen: set[bytes] = set()
        for page in self._pages():
            seen.update(page)
        return len(seen)

    def record(self, value: str) -> None:
        with self._translated(StepFailed, "did not take the fingerprint"):
            self._client.set(self._fingerprint, value)

    def flush(self) -> int:
        removed = 0
        for page in self._pages():
            for start in range(0, len(page), UNLINK_COUNT):
                removed += self._unlink(page[start : start + UNLINK_COUNT])
        return removed

    def _unlink(self, names: t.Sequence[bytes]) -> int:
        """Unlinks and looks in one transaction, so that what the running release caches anew in between is not taken for what was left."""
        with self._translated(StepFailed, "did not remove its entries"), self._client.pipeline(transaction=True) as pipeline:
            pipeline.unlink(*names)
            pipeline.exists(*names)
            removed, left = pipeline.execute()
        if left:
            raise StepFailed("Redis at %s kept %d entries that were to be removed" % (self._where, left), todo="run the step again, and look at that server")
        return int(removed)

    def _pages(self) -> t.Iterator[list[bytes]]:
        cursor = 0
        while True:
            with self._translated(Refused, "cannot be scanned"):
                cursor, names = self._client.scan(cursor, match=glob_escape(self._prefix) + b"*", count=SCAN_COUNT)
            page = [name for name in names if name.startswith(self._prefix) and name != self._fingerprint]
            if page:
                yield page
            if cursor == 0:
                return

    @contextlib.contextmanager
    def _translated(self, kind: type[Refused] | type[StepFailed], what: str) -> t.Iterator[None]:
        try:
            yield
        except redis.exceptions.RedisError as error:
            raise kind(
                "Redis at %s %s" % (self._where, what),
                seen=_hide(str(error), self._hidden),
                todo="check that it runs, that this host may reach it, and that its user may use GET, SET, SCAN, MULTI, EXEC, UNLINK and EXISTS there",
            ) from None


def glob_escape(name: bytes) -> bytes:
    """`name` as a Redis pattern that matches nothing else."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"\\*?[]^-" else bytes([byte]) for byte in name)


def secrets(url: str) -> list[str]:
    """The password in `url`, as it is written there and as it is meant, also where it is given as a query parameter."""
    query = dict(part.partition("=")[::2] for part in urlsplit(url).query.split("&"))
    return [form for written in (urlsplit(url).password, query.get("password")) if written for form in (written, unquote(written))]


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return "%s:%d%s" % (parts.hostname or "localhost", parts.port or 6379, parts.path)


def _hide(text: str, hidden: t.Sequence[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, "********")
    return text
