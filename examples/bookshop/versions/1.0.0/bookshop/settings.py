"""What a bookshop is told by its environment. Nothing else decides whether it runs embedded or in a fleet."""

import dataclasses
import pathlib
from collections.abc import Mapping

RELEASE = pathlib.Path(__file__).resolve().parent.parent
"""Where this version was unpacked; resolved, so that a moving `current` link never gives a running process another version's templates."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """`database_url` sqlite:///… or postgresql://…; `cache_url` files:///directory or redis://…; `flags` the flagd file; `drain_file` present: send no more."""

    version: str
    database_url: str
    cache_url: str
    flags: str
    drain_file: pathlib.Path | None


def read(environment: Mapping[str, str]) -> Settings:
    """Settings out of `BOOKSHOP_*` variables and the VERSION file, both read once, when the process starts."""
    drain_file = environment.get("BOOKSHOP_DRAIN_FILE")
    return Settings(
        version=(RELEASE / "VERSION").read_text(encoding="utf-8").strip(),
        database_url=environment["BOOKSHOP_DATABASE_URL"],
        cache_url=environment["BOOKSHOP_CACHE_URL"],
        flags=environment.get("BOOKSHOP_FLAGS", ""),
        drain_file=pathlib.Path(drain_file) if drain_file else None,
    )
