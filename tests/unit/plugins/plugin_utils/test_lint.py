"""What is wrong with a path of releases before any host is asked."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.lint import Finding, lint
from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release


def findings(*releases: dict[str, t.Any]) -> list[str]:
    return [finding.message for finding in lint([parse_release({"release": f"r{number}", **release}) for number, release in enumerate(releases)])]


def opens(flag: str = "f", **audience: t.Any) -> dict[str, t.Any]:
    return {"enable_feature": {"flag": flag, "audience": audience}}


def test_a_sound_path() -> None:
    assert findings({"install": {"version": "1"}, "restart": None}, opens(groups=["staff"]), opens(everyone=True), {"install": {"version": "2"}}) == []


def test_installing_what_is_live_already() -> None:
    assert findings({"install": {"version": "1"}}, {"restart": None}, {"install": {"version": "1"}}) == ["installs 1, which r0 made live already"]


def test_a_version_may_come_again_after_another() -> None:
    assert findings({"install": {"version": "1"}}, {"install": {"version": "2"}}, {"install": {"version": "1"}}) == []


def test_closing_what_was_open_to_everyone() -> None:
    assert findings(opens(everyone=True), opens(groups=["staff"])) == ["opens f to fewer than r0 did"]
    assert findings(opens(everyone=True), {"enable_feature": {"flag": "f", "state": "absent"}}) == ["opens f to fewer than r0 did"]
    assert findings(opens(everyone=True), opens("g", groups=["staff"])) == []


@pytest.mark.parametrize("command", [["true"], ["/bin/true"], [":"], ["echo", "fine"]])
def test_gates_that_cannot_fail(command: list[str]) -> None:
    assert findings({"restart": None, "verify": [{"command": command}]}) == [f"has a gate that cannot fail: {' '.join(command)}"]


@pytest.mark.parametrize("gate", ["smoke", {"http": {"url": "http://shop/"}}, {"command": ["pytest"]}, {"command": ["truest"]}])
def test_gates_that_can(gate: t.Any) -> None:
    assert findings({"restart": None, "verify": [gate]}) == []


@pytest.mark.parametrize("impact", [{"downtime": "1s"}, {"errors": "1%"}, {"slower": "1%"}])
def test_what_users_will_notice_has_a_reason(impact: dict[str, str]) -> None:
    assert findings({"restart": None, "impact": impact}) == ["says that users will notice and not why; add because to its impact"]
    assert findings({"restart": None, "impact": {**impact, "because": "one process"}}) == []


def test_findings_name_their_release_in_order() -> None:
    bad = {"impact": {"downtime": "1s"}, "verify": [{"command": ["true"]}], "restart": None}
    found = lint([parse_release({"release": name, **bad}) for name in ("a", "b")])
    assert [finding.release for finding in found] == ["a", "a", "b", "b"]
    assert isinstance(found[0], Finding)
