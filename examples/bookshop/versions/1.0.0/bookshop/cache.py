"""A cache for whole pages. Entries never expire: a release that changes what is in them has to flush them."""

import os
import pathlib
import tempfile
import typing as t
import urllib.parse


class PageCache(t.Protocol):
    """Text by key."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, text: str) -> None: ...


class FilesCache:
    """One file per entry in `directory`, named by the percent-encoded key."""

    def __init__(self, directory: pathlib.Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def get(self, key: str) -> str | None:
        try:
            return self._file(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def put(self, key: str, text: str) -> None:
        # Through a temporary neighbor, so that no reader ever sees half a page.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._directory, prefix=".new-", delete=False) as temporary:
            temporary.write(text)
        os.replace(temporary.name, self._file(key))

    def _file(self, key: str) -> pathlib.Path:
        return self._directory / urllib.parse.quote(key, safe="")


class RedisCache:
    """One string per entry in the database that `url` names."""

    def __init__(self, url: str) -> None:
        import redis  # here, because an embedded shop needs no Redis client

        self._client = redis.Redis.from_url(url, decode_responses=True)

    def get(self, key: str) -> str | None:
        return t.cast("str | None", self._client.get(key))

    def put(self, key: str, text: str) -> None:
        self._client.set(key, text)


def open_cache(url: str) -> PageCache:
    """The cache behind a URL: `files:///directory` or `redis://host:port/database`."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "files":
        return FilesCache(pathlib.Path(urllib.parse.unquote(parts.path)))
    if parts.scheme in ("redis", "rediss", "unix"):
        return RedisCache(url)
    raise ValueError(f"BOOKSHOP_CACHE_URL must start with files:// or redis://, not {url!r}")
