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


def test_opening_to_fewer() -> None:
    fewer = "opens f to fewer than r0 did: it would be closed to "
    assert findings(opens(everyone=True), opens(groups=["staff"])) == [fewer + "everyone but group staff"]
    assert findings(opens(everyone=True), {"enable_feature": {"flag": "f", "state": "absent"}}) == ["closes f, which r0 opened to everyone"]
    assert findings(opens(percentage="50%"), opens(percentage="10%")) == [fewer + "all but 10 of the 50 % of all users"]
    assert findings(opens(groups=["staff", "qa"]), opens(groups=["staff"], percentage=90)) == [fewer + "group qa"]


def test_opening_to_more_and_another_flag() -> None:
    assert findings(opens(percentage="10%"), opens(percentage="50%"), opens(groups=["staff"], percentage=50), opens(everyone=True)) == []
    assert findings(opens(everyone=True), opens("g", groups=["staff"])) == []
    assert findings(opens(nobody=True), opens(groups=["staff"])) == []


def migrates(to: str | None, **step: t.Any) -> dict[str, t.Any]:
    return {"migrate": {"version": "1", **({"to": to} if to else {}), **step}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (["0001", "0002", "0010"], []),
        (["0002", None, "0002"], []),
        (["a1", "b2", "c3"], []),
        (["0002", "0001"], ["migrates to 0001, which is before 0002, where r0 went; to go back, say state: reverted"]),
        (["0010", "9"], ["migrates to 9, which is before 0010, where r0 went; to go back, say state: reverted"]),
        (["a1", "b2", "a1"], ["migrates to a1, which is before b2, where r1 went; to go back, say state: reverted"]),
    ],
)
def test_a_path_migrates_onward(path: list[str | None], found: list[str]) -> None:
    assert findings(*map(migrates, path)) == found


def test_a_path_that_says_that_it_goes_back_may() -> None:
    assert findings(migrates("0001"), migrates("0003"), migrates("0001", state="reverted"), migrates("0002")) == []
    assert findings(migrates("0003"), migrates("base", state="reverted"), migrates("0001")) == []
    assert len(findings(migrates("0003"), migrates("0001", state="reverted"), migrates("0002"), migrates("0001"))) == 1


@pytest.mark.parametrize("command", [["true"], ["/bin/true"], [":"], ["echo", "fine"], ["sh", "-c", "true"], ["/bin/sh", "-c", "pytest || true"]])
def test_gates_that_cannot_fail(command: list[str]) -> None:
    assert findings({"restart": None, "verify": [{"command": command}]}) == [f"has a gate that cannot fail: {' '.join(command)}"]


@pytest.mark.parametrize("gate", ["smoke", {"http": {"url": "http://shop/"}}, {"command": ["pytest"]}, {"command": ["sh", "-c", "echo a && false"]}])
def test_gates_that_can(gate: t.Any) -> None:
    assert findings({"restart": None, "verify": [gate]}) == []


def test_gates_between_batches_can_fail_too() -> None:
    assert findings({"restart": {"verify": [{"command": ["true"]}]}}) == ["has a gate that cannot fail: true"]


def test_a_gate_is_judged_by_what_its_name_stands_for() -> None:
    gates = {"smoke": {"command": ["true"]}, "real": {"command": ["pytest"]}}
    path = [parse_release({"release": "r0", "restart": None, "verify": ["smoke", "real"]})]
    assert lint(path, gates) == (Finding(release="r0", message="has a gate that cannot fail: smoke, which is true"),)
    assert lint([], gates, ["real", "smoke"]) == (Finding(message="verify in surefoot.yml has a gate that cannot fail: smoke, which is true"),)


@pytest.mark.parametrize("impact", [{"downtime": "1s"}, {"errors": "1%"}, {"slower": "1%"}])
def test_what_users_will_notice_has_a_reason(impact: dict[str, str]) -> None:
    assert findings({"restart": None, "impact": impact}) == ["says that users will notice and not why; add because to its impact"]
    assert findings({"restart": None, "impact": {**impact, "because": "one process"}}) == []


def test_what_lacks_a_reason_may_begin_and_what_is_wrong_may_not() -> None:
    path = [{"release": "a", "restart": None, "impact": {"downtime": "1s"}, "verify": [{"command": ["true"]}]}]
    assert [finding.barring for finding in lint([parse_release(one) for one in path])] == [True, False]


def test_findings_name_their_release_in_order() -> None:
    bad = {"impact": {"downtime": "1s"}, "verify": [{"command": ["true"]}], "restart": None}
    found = lint([parse_release({"release": name, **bad}) for name in ("a", "b")])
    assert [finding.release for finding in found] == ["a", "a", "b", "b"]
    assert isinstance(found[0], Finding)
