"""Freeze windows: when they are shut, by the clock of their place, and what a window cannot be."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput
from surefoot.freeze import Freeze, frozen
from surefoot.loading import parse_project
from surefoot.models import ProjectFile
from surefoot.schema import json_schema

BERLIN = {"zone": "Europe/Berlin"}


def freeze(**keys: t.Any) -> Freeze:
    return Freeze.model_validate({**BERLIN, **keys})


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("moment", "shut"),
    [
        ("2026-12-23 22:59:59", False),  # Berlin is an hour ahead in winter
        ("2026-12-23 23:00:00", True),
        ("2027-01-02 06:59:59", True),
        ("2027-01-02 07:00:00", False),
    ],
)
def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(moment: str, shut: bool) -> None:
    window = freeze(**{"from": "2026-12-24 00:00"}, to="2027-01-02 08:00")
    assert (frozen([window], utc(moment)) is not None) is shut


@pytest.mark.parametrize(
    ("window", "moment", "shut"),
    [
        ({"days": ["fri"], "from": "16:00"}, "2026-03-06 14:59", False),
        ({"days": ["fri"], "from": "16:00"}, "2026-03-06 15:00", True),
        ({"days": ["fri"], "from": "16:00", "to": "24:00"}, "2026-03-06 22:59", True),
        ({"days": ["fri"], "from": "16:00", "to": "24:00"}, "2026-03-06 23:00", False),
        ({"days": ["fri"]}, "2026-03-05 23:00", True),  # Friday in Berlin while it is Thursday in UTC
        ({"days": ["fri"]}, "2026-03-05 22:59", False),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-03 04:59", True),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-03 05:00", False),
        ({"days": ["mon"], "from": "22:00", "to": "06:00"}, "2026-03-02 04:00", False),
        # Summer time begins on Sunday, 29 March, at 02:00, and ends on Sunday, 25 October, at 03:00.
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-23 07:30", True),
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-30 07:30", False),
        ({"days": ["mon"], "from": "08:00", "to": "09:00"}, "2026-03-30 06:30", True),
        ({"days": ["sun"], "to": "02:30"}, "2026-03-29 01:29", True),  # 02:30 is not there: shut as long as anybody may think
        ({"days": ["sun"], "to": "02:30"}, "2026-03-29 01:30", False),
        ({"days": ["sun"], "from": "02:30"}, "2026-03-29 00:30", True),
        ({"days": ["sun"], "from": "02:30", "to": "03:00"}, "2026-10-25 00:30", True),  # 02:30 is there twice: shut from the first
        ({"days": ["sun"], "to": "02:30"}, "2026-10-25 01:29", True),  # and until the second
        ({"days": ["sun"], "to": "02:30"}, "2026-10-25 01:30", False),
    ],
)
def test_weekly_windows_go_by_the_clock_of_their_place(window: dict[str, t.Any], moment: str, shut: bool) -> None:
    assert (frozen([freeze(**window)], utc(moment)) is not None) is shut


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "has a date and a time in both"),
        ({"from": "2026-12-24 00:00"}, "has a date and a time in both"),
        ({"from": "16:00", "to": "17:00"}, "has a date and a time in both"),
        ({"from": "2026-12-24 00:00", "to": "2026-12-24 00:00"}, "ends after it begins"),
        ({"from": "2026-02-30 00:00", "to": "2026-12-24 00:00"}, "There is no day 2026-02-30"),
        ({"from": "2026-12-24", "to": "2026-12-26"}, "A window is from and to"),
        ({"from": "24.12.2026 00:00", "to": "2026-12-26 00:00"}, "A window is from and to"),
        ({"days": ["fri"], "from": "2026-12-24 00:00"}, "begins and ends at times"),
        ({"days": ["fri"], "from": "24:00"}, "begins and ends at times"),
        ({"days": ["fri"], "from": "25:00"}, "A window is from and to"),
        ({"days": ["fri"], "from": "16:00", "to": "16:00"}, "is none"),
        ({"days": []}, "An empty list"),
        ({"days": ["friday"]}, "'fri'"),
        ({"days": ["fri"], "form": "16:00"}, "unknown keys"),
        ({"days": ["fri"], "zone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"days": ["fri"], "zone": "Europe"}, "no such time zone"),
        ({"days": ["fri"], "zone": "../../etc/passwd"}, "no such time zone"),
        ({"days": ["fri"], "zone": "/etc/localtime"}, "no such time zone"),
        ({"days": ["fri"], "zone": "CET\0"}, "no such time zone"),
    ],
)
def test_what_a_freeze_cannot_be(keys: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        freeze(**keys)


def test_a_freeze_is_written_back_as_it_was_written() -> None:
    written = {"days": ["fri"], "from": "16:00", "zone": "Europe/Berlin"}
    project = ProjectFile.model_validate({"app": "a", "environments": {"production": {"inventory": "i", "freeze": [written]}}})
    assert project.as_mapping()["environments"]["production"]["freeze"] == [written]
    assert ProjectFile.model_validate(project.as_mapping()) == project
    Draft202012Validator(json_schema("project")).validate(project.as_mapping())


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("{days: [fri], from: 16:00, zone: UTC}", r'surefoot.yml:5:\d+: 16:00 means different things .*write "16:00" in quotes'),
        ('{days: [fri], form: "16:00", zone: UTC}', r"surefoot.yml:5:\d+: Unknown key form; did you mean from\?"),
        ('{days: [fri], from: "4pm", zone: UTC}', r"surefoot.yml:5:\d+: A window is from and to"),
        ("{days: [fri]}", "The key zone is missing in freeze"),
    ],
)
def test_a_freeze_that_cannot_be_is_told_with_its_place(window: str, message: str) -> None:
    text = f"app: bookshop\nenvironments:\n  production:\n    inventory: i\n    freeze: [{window}]\n"
    with pytest.raises(InvalidInput, match=message):
        parse_project(text.encode())
