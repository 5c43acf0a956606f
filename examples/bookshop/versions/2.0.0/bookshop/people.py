"""Who is asking. The name comes in the X-User header, which in a real shop whoever checks passwords would set."""

import dataclasses

import flask

GROUPS = {"staff": ("staff",), "ada": ("staff",), "customer": ("customers",), "customer145": ("customers",)}


@dataclasses.dataclass(frozen=True)
class Person:
    """A user and the groups that user is in."""

    name: str
    groups: tuple[str, ...]


def current_person() -> Person:
    """Who sent the current request; people without a name are all one, and in no group."""
    name = flask.request.headers.get("X-User", "anonymous")
    return Person(name, GROUPS.get(name, ()))
