"""Audiences: what they mean, and when one shrinks."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import losses, parse


@pytest.mark.parametrize(
    ("data", "normal", "words"),
    [
        ({"nobody": True}, {"nobody": True}, "nobody"),
        ({"everyone": True}, {"everyone": True}, "everyone"),
        ({"percentage": 100}, {"everyone": True}, "everyone"),
        ({"groups": ["staff"], "percentage": 100.0}, {"everyone": True}, "everyone"),
        ({"groups": ["b", "a", "b"]}, {"groups": ["a", "b"]}, "groups a, b"),
        (
            {"groups": ["staff"], "users": ["anna"], "percentage": 10.0},
            {"groups": ["staff"], "users": ["anna"], "percentage": 10},
            "group staff and user anna and 10 % of all users",
        ),
        ({"percentage": 0.07 * 100}, {"percentage": 7}, "7 % of all users"),
        ({"percentage": 33.333, "everyone": False, "groups": []}, {"percentage": 33.333}, "33.333 % of all users"),
    ],
)
def test_meaning(data: dict[str, t.Any], normal: dict[str, t.Any], words: str) -> None:
    audience = parse(data)
    assert audience.as_data() == normal
    assert str(audience) == words
    assert parse(audience.as_data()) == audience


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "empty"),
        ({}, "empty"),
        ({"groups": [], "percentage": 0.0, "everyone": False}, "empty"),
        ({"everyone": True, "groups": ["staff"]}, "cannot be everyone and something else"),
        ({"nobody": True, "everyone": True}, "and something else"),
        ({"nobody": True, "percentage": 5.0}, "cannot be nobody and something else"),
        ({"percentage": -1.0}, "between 0 and 100"),
        ({"percentage": 100.5}, "between 0 and 100"),
        ({"percentage": float("nan")}, "between 0 and 100"),
        ({"percentage": 1.23456}, "three decimals"),
        ({"groups": [""]}, "no name"),
    ],
)
def test_what_cannot_be_an_audience(data: dict[str, t.Any] | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse(data)


@pytest.mark.parametrize(("groups", "users"), [("", "user"), ("user", "user"), ("user", "user.id"), ("user.id", "user")])
def test_attributes_must_differ(groups: str, users: str) -> None:
    with pytest.raises(InvalidInput, match="attributes of their own"):
        parse({"everyone": True}, group_attribute=groups, user_attribute=users)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ({"nobody": True}, {"groups": ["staff"]}, []),
        ({"groups": ["staff"]}, {"everyone": True}, []),
        ({"groups": ["staff"], "percentage": 5.0}, {"groups": ["staff"], "users": ["anna"], "percentage": 5.0}, []),
        ({"percentage": 5.0}, {"percentage": 50.0}, []),
        ({"everyone": True}, {"percentage": 99.0}, ["everyone but 99 % of all users"]),
        ({"everyone": True}, {"nobody": True}, ["everyone but nobody"]),
        ({"groups": ["staff", "press"]}, {"groups": ["staff"]}, ["group press"]),
        ({"users": ["anna"]}, {"users": ["ben"]}, ["user anna"]),
        ({"groups": ["staff"]}, {"percentage": 99.0}, ["group staff"]),
        ({"percentage": 50.0}, {"percentage": 10.0}, ["all but 10 of the 50 % of all users"]),
        ({"percentage": 10.0}, {"groups": ["staff"]}, ["all but 0 of the 10 % of all users"]),
    ],
)
def test_losses(before: dict[str, t.Any], after: dict[str, t.Any], lost: list[str]) -> None:
    assert losses(parse(before), parse(after)) == lost


def test_another_attribute_for_groups_loses_them() -> None:
    assert losses(parse({"groups": ["staff"]}), parse({"groups": ["staff"]}, group_attribute="roles")) == ["group staff"]
