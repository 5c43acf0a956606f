"""enable_feature as real OpenFeature providers see it."""

from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

import pytest
from _flag_providers import ask_node, ask_python, node_modules_fixture, python_client  # noqa: F401
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.flags import enable
from ansible_collections.surefoot.release.plugins.module_utils.flags.evaluate import evaluate
from ansible_collections.surefoot.release.plugins.module_utils.flags.options import ARGUMENT_SPEC
from helpers import run_module

USERS = [f"user-{number}" for number in range(1500)]
CONTEXTS: list[dict[str, t.Any]] = [
    *(
        {"targetingKey": user, "groups": groups, "role": "guest"}
        for user in ("anna", "ben", "0", "ä", "false")
        for groups in (["staff"], ["press", "staff"], ["staffing"], [])
    ),
    {"targetingKey": "carl"},
    {"targetingKey": "carl", "groups": None},
    {"targetingKey": "carl", "groups": "staff"},
    {"targetingKey": "carl", "groups": "non-staffing"},
    {"targetingKey": "", "groups": []},
    {"groups": ["press"]},
    {},
]
AUDIENCES: list[dict[str, t.Any]] = [
    {"nobody": True},
    {"everyone": True},
    {"groups": ["staff"]},
    {"groups": ["staff", "press"], "users": ["ben", "0"]},
    {"users": ["anna"]},
    {"percentage": 50.0},
    {"groups": ["staff"], "users": ["ben"], "percentage": 12.345},
]


def write(path: pathlib.Path, audience: t.Mapping[str, t.Any], **given: t.Any) -> None:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"path": str(path), "flag": "reviews", "audience": audience, "allow_decrease": True, **given})
    assert not validated.error_messages
    enable.perform(validated.validated_parameters, check_mode=False)


def ours(path: pathlib.Path, contexts: t.Sequence[t.Mapping[str, t.Any]], encoding: str) -> list[bool | None]:
    body = json.loads(path.read_text())["flags"]["reviews"]
    return [evaluate("reviews", body, context, [encoding]) for context in contexts]


@pytest.fixture
def flags(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "flags.json"
    path.write_text('{"flags": {"sale": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"}}}')
    return path


@pytest.mark.parametrize("audience", AUDIENCES, ids=json.dumps)
@pytest.mark.parametrize("fallback", [False, True])
def test_the_python_provider_evaluates_as_we_do(flags: pathlib.Path, audience: dict[str, t.Any], fallback: bool) -> None:
    contexts = [*CONTEXTS, *({"targetingKey": user} for user in USERS[:200])]
    write(flags, audience)
    with python_client(flags) as client:
        assert ask_python(client, "reviews", contexts, fallback=fallback) == ours(flags, contexts, "cbor")
        assert ask_python(client, "sale", [{}]) == [True]


@pytest.mark.parametrize("audience", AUDIENCES, ids=json.dumps)
def test_the_node_provider_evaluates_as_we_do(flags: pathlib.Path, node_modules: pathlib.Path, audience: dict[str, t.Any]) -> None:
    ascii_only = [context for context in CONTEXTS if context.get("targetingKey") != "ä"]  # JavaScript hashes other text by its UTF-16 units
    contexts = [*ascii_only, *({"targetingKey": user} for user in USERS[:200])]
    write(flags, audience)
    for fallback in (False, True):
        assert ask_node(node_modules, flags, "reviews", contexts, fallback=fallback) == ours(flags, contexts, "text")


def test_a_running_provider_follows_every_small_step(flags: pathlib.Path) -> None:
    far = time.time() + 86400 * 365
    os.utime(flags, (far, far))
    people = [{"targetingKey": user} for user in USERS]
    staff = {"targetingKey": "boss", "groups": ["staff"]}
    with python_client(flags) as client:

        def seen() -> set[str]:
            return {user for user, value in zip(USERS, ask_python(client, "reviews", people), strict=True) if value}

        assert (ask_python(client, "reviews", [staff], fallback=True), seen()) == ([True], set())  # not there: the application's default decides
        write(flags, {"nobody": True})
        _until(lambda: ask_python(client, "reviews", [staff], fallback=True) == [False])
        write(flags, {"groups": ["staff"]})
        _until(lambda: ask_python(client, "reviews", [staff]) == [True])
        assert seen() == set()
        inside: set[str] = set()
        for share in (10.0, 50.0):
            write(flags, {"groups": ["staff"], "percentage": share})
            _until(lambda before=inside: seen() > before)
            now = seen()
            assert inside < now
            assert abs(100 * len(now) / len(USERS) - share) < 5
            assert seen() == now
            inside = now
        write(flags, {"everyone": True})
        _until(lambda: seen() == set(USERS))
        write(flags, {"nobody": True})
        _until(lambda: not seen() and ask_python(client, "reviews", [staff], fallback=True) == [False])


def test_a_tenth_is_among_a_half_in_node_too(flags: pathlib.Path, node_modules: pathlib.Path) -> None:
    people = [{"targetingKey": user} for user in USERS]
    write(flags, {"percentage": 10.0})
    tenth = ask_node(node_modules, flags, "reviews", people)
    write(flags, {"percentage": 50.0})
    half = ask_node(node_modules, flags, "reviews", people)
    assert 0 < sum(tenth) < sum(half) < len(USERS)
    assert all(after for before, after in zip(tenth, half, strict=True) if before)


def test_the_module_itself(flags: pathlib.Path) -> None:
    args: dict[str, t.Any] = {
        "path": str(flags),
        "flag": "reviews",
        "audience": {"groups": ["staff"]},
        "contexts": [{"context": {"targetingKey": "carl", "groups": ["customers"]}, "expect": False}],
    }
    before = flags.read_bytes(), flags.stat().st_mtime_ns
    checked = run_module("enable_feature", args, check=True)
    assert checked["changed"]
    assert (flags.read_bytes(), flags.stat().st_mtime_ns) == before
    done = run_module("enable_feature", args)
    again = run_module("enable_feature", args)
    assert done["changed"]
    assert done["step"]["after"] == checked["step"]["after"]
    assert done["step"]["undo"] == {"flag": "reviews", "state": "absent"}
    assert not again["changed"]
    refused = run_module("enable_feature", {**args, "audience": {"nobody": True}})
    assert refused["failed"]
    assert refused["error"]["kind"] == "Refused"
    with python_client(flags) as client:
        assert ask_python(client, "reviews", [{"groups": ["staff"]}, {"groups": ["customers"]}]) == [True, False]


def _until(holds: t.Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the provider did not see the change"
        time.sleep(0.02)
