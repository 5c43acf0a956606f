"""Audiences as flagd rules and back, and their evaluation."""

from __future__ import annotations

import copy
import json
import typing as t

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import NOBODY, Audience, parse
from ansible_collections.surefoot.release.plugins.module_utils.flags.evaluate import ENCODINGS, evaluate
from ansible_collections.surefoot.release.plugins.module_utils.flags.flagd import MARK, compose, digest, same_rules, understand
from ansible_collections.surefoot.release.plugins.module_utils.flags.murmur import murmur3

NAMES = st.lists(st.text(min_size=1, max_size=8), max_size=3)
AUDIENCES = st.builds(
    lambda groups, users, thousandths: parse(
        {"groups": groups, "users": users, "percentage": thousandths / 1000} if groups or users or thousandths else {"nobody": True}
    ),
    NAMES,
    NAMES,
    st.integers(0, 100_000),
)
STATIC_OFF = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


@given(st.binary(max_size=70))
def test_murmur_is_the_real_one(data: bytes) -> None:
    assert murmur3(data) == mmh3.hash(data, signed=False)


@given(AUDIENCES)
def test_what_was_written_reads_back_the_same(audience: Audience) -> None:
    body = json.loads(json.dumps(compose(None, audience)))
    reading = understand(body)
    assert not reading.foreign
    assert reading.audience is not None
    assert reading.audience.as_data() == audience.as_data()
    assert same_rules(compose(body, audience), body)


@given(AUDIENCES, st.text(max_size=8), st.lists(st.text(max_size=8), max_size=3))
def test_evaluation_follows_the_meaning(audience: Audience, user: str, groups: list[str]) -> None:
    value = evaluate("flag", compose(None, audience), {"targetingKey": user, "groups": groups})
    if audience.everyone or user in audience.users or set(groups) & set(audience.groups):
        assert value is True
    elif not audience.percentage or not user:
        assert value is False


def test_nobody_is_an_enabled_flag_that_is_off() -> None:
    body = compose(None, NOBODY)
    assert (body["state"], body["defaultVariant"], "targeting" in body) == ("ENABLED", "off", False)


def test_a_single_group_given_as_text_must_match_whole() -> None:
    body = compose(None, parse({"groups": ["staff"]}))
    assert evaluate("f", body, {"groups": "staff"}) is True
    assert evaluate("f", body, {"groups": "non-staffing"}) is False
    assert evaluate("f", body, {"groups": None}) is False


def test_who_has_no_targeting_key_is_in_no_percentage() -> None:
    body = compose(None, parse({"percentage": 99.999}))
    for context in ({}, {"targetingKey": ""}, {"targetingKey": None}):
        assert evaluate("f", body, context) is False


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_percentage_is_sticky_monotone_and_of_its_size(encoding: str) -> None:
    users = [f"user-{number}" for number in range(4000)]
    inside: set[str] = set()
    for share in (0.5, 10.0, 33.3, 50.0, 99.0):
        body = compose(None, parse({"percentage": share}))
        now = {user for user in users if evaluate("reviews", body, {"targetingKey": user}, [encoding])}
        assert inside <= now
        assert abs(100 * len(now) / len(users) - share) < 3
        inside = now
    assert inside != {user for user in users if evaluate("other", body, {"targetingKey": user}, [encoding])}


def test_an_answer_on_which_providers_differ_is_not_given() -> None:
    body = compose(None, parse({"percentage": 50.0}))
    answers = {evaluate("f", body, {"targetingKey": f"u{number}"}) for number in range(100)}
    assert answers == {True, False, None}


def test_names_of_variants_and_everything_else_of_a_flag_are_kept_in_order() -> None:
    body = {"metadata": {"team": "shop"}, "variants": {"nay": False, "yea": True}, "state": "ENABLED", "defaultVariant": "nay"}
    written = compose(body, parse({"groups": ["staff"]}))
    assert list(written)[:4] == list(body)
    assert written["metadata"]["team"] == "shop"
    assert written["variants"] == body["variants"]
    assert evaluate("f", written, {"groups": ["staff"]}) is True
    assert evaluate("f", written, {}) is False
    back = compose(written, NOBODY)
    assert {key: value for key, value in back.items() if key != "metadata"} == {key: value for key, value in body.items() if key != "metadata"}


@pytest.mark.parametrize(("variants", "works"), [({"off": False}, True), ({"on": True}, True), ({"on": False}, False)])
def test_a_missing_variant_is_added_where_its_name_is_free(variants: dict[str, bool], works: bool) -> None:
    body = {"state": "ENABLED", "variants": variants, "defaultVariant": next(iter(variants))}
    if works:
        assert evaluate("f", compose(body, parse({"everyone": True})), {}) is True
    else:
        with pytest.raises(Refused, match="variant on with another value"):
            compose(body, parse({"everyone": True}))


@pytest.mark.parametrize(
    "body",
    [
        {"state": "ENABLED", "variants": {"on": "yes", "off": "no"}, "defaultVariant": "off"},
        {"state": "ENABLED", "variants": {"on": 1, "off": 0}, "defaultVariant": "off"},
        {"state": "ENABLED", "variants": {"on": True, "off": None}, "defaultVariant": "off"},
        {"state": "ENABLED", "variants": {}, "defaultVariant": "off"},
        {"state": "ENABLED"},
        [],
        "on",
    ],
)
def test_a_flag_that_is_not_boolean_is_refused(body: t.Any) -> None:
    with pytest.raises(Refused, match="not a boolean"):
        understand(body)


@pytest.mark.parametrize(
    ("change", "audience"),
    [({}, {"nobody": True}), ({"defaultVariant": "on"}, {"everyone": True}), ({"defaultVariant": "on", "targeting": {}}, {"everyone": True})],
)
def test_a_plain_flag_of_others_is_understood(change: dict[str, t.Any], audience: dict[str, t.Any]) -> None:
    reading = understand({**STATIC_OFF, **change})
    assert not reading.foreign
    assert reading.audience is not None
    assert reading.audience.as_data() == audience


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "DISABLED"}, "it is DISABLED, so every application uses the default"),
        ({"targeting": {"if": [True, "on"]}}, "targeting was not written by surefoot"),
        ({"defaultVariant": None}, "no defaultVariant"),
        ({"defaultVariant": "none"}, "no defaultVariant"),
        ({"defaultVariant": ["on"]}, "no defaultVariant"),
    ],
)
def test_rules_of_others_are_foreign(change: dict[str, t.Any], words: str) -> None:
    reading = understand({**STATIC_OFF, **change})
    assert reading.foreign
    assert reading.audience is None
    assert words in reading.reason


@pytest.mark.parametrize("edit", ["state", "defaultVariant", "weight", "group", "no targeting", "variants"])
def test_an_edit_by_hand_of_any_rule_is_noticed(edit: str) -> None:
    body = copy.deepcopy(compose(None, parse({"groups": ["staff"], "percentage": 10.0})))
    if edit == "state":
        body["state"] = "DISABLED"
    elif edit == "defaultVariant":
        body["defaultVariant"] = "on"
    elif edit == "weight":
        body["targeting"]["if"][3]["fractional"][1][1] = 90
    elif edit == "group":
        body["targeting"]["if"][0]["in"][0] = "customers"
    elif edit == "no targeting":
        del body["targeting"]
    else:
        body["variants"] = {"on": False, "off": True}
    reading = understand(body)
    assert reading.foreign
    assert "edited by hand" in reading.reason


def test_a_note_in_the_metadata_is_no_edit_of_rules() -> None:
    body = copy.deepcopy(compose(None, parse({"groups": ["staff"]})))
    body["metadata"]["owner"] = "shop"
    assert not understand(body).foreign


@pytest.mark.parametrize(
    "targeting", [{"if": ["x", "on", "off"]}, {"or": []}, {"if": [{"in": ["staff", {"var": "groups"}]}, "on", "off"]}, [], [1], "on", {"if": {}}]
)
def test_a_digest_over_rules_that_surefoot_does_not_write_is_not_believed(targeting: t.Any) -> None:
    body: dict[str, t.Any] = {**STATIC_OFF, "targeting": targeting}
    body["metadata"] = {MARK: digest(body)}
    reading = understand(body)
    assert reading.foreign or not targeting
