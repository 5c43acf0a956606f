"""Saved plans: what makes them stale and how that is told, going on after an interruption, and files that are not what they say."""

from __future__ import annotations

import copy
import datetime as dt
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import plan_release
from surefoot import plan_file
from surefoot.ledger import Ledger
from surefoot.models import FeatureFile, ProjectFile
from surefoot.planning import Surveyed
from surefoot.saved_plan import SavedPlan, Source, check_saved, differences, goes_on, make_saved_plan, recent

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
HOSTS = {"install": ["web1", "web2"], "restart": ["web1", "web2"]}
FEATURE = {
    "feature": "reviews",
    "releases": [
        {
            "release": "api",
            "install": {"version": "2.0.0"},
            "restart": {"batches": [1, "100%"]},
            "soak": "10m",
            "verify": ["smoke"],
            "hooks": {"after_install": "warm.yml"},
        },
        {"release": "ui", "install": {"version": "2.1.0"}},
    ],
}
PROJECT: dict[str, t.Any] = {
    "app": "bookshop",
    "environments": {"production": {"inventory": "i"}},
    "gates": {"smoke": {"command": ["true"]}, "unused": {"command": ["true"]}},
}


def survey(version: str, **service: t.Any) -> dict[str, t.Any]:
    return {
        "artifacts": {"path": "/opt/shop", "live": {"version": version, "sha256": "a" * 64, "since": 1.0}, "staged": [], "problem": None},
        "service": {"name": "shop", "running": True, "pid": 7, "started_at": 1.0, "version": version, "stale": False, "reason": "since 09:14", **service},
        "receipt": None,
    }


class World:
    """What plans are made from, to be moved by tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = Ledger("sqlite:///ledger.db", root=root, clock=lambda: NOON)
        self.feature: dict[str, t.Any] = copy.deepcopy(FEATURE)
        self.project: dict[str, t.Any] = copy.deepcopy(PROJECT)
        self.surveys = {host: survey("1.0.0") for host in HOSTS["install"]}
        self.hosts: dict[str, list[str]] = copy.deepcopy(HOSTS)
        self.artifacts = {"2.0.0": "a" * 64, "2.1.0": "b" * 64}
        self.most = 20
        (root / "warm.yml").write_text("- debug:\n")

    def plan(self) -> SavedPlan:
        feature = FeatureFile.model_validate(self.feature)
        source = Source(root=self.root, project=ProjectFile.model_validate(self.project), feature=feature)
        plans = [plan_release(feature.parsed()[0], (), self.surveys, self.hosts)]
        ledger = recent(self.ledger, "production", self.most)
        found = Surveyed(surveys=self.surveys, hosts=self.hosts, artifacts=self.artifacts)
        return make_saved_plan(source, "production", plans, found=found, ledger=ledger, now=NOON)

    def note(self, kind: str, plan: str | None = None, release: str | None = "api", by: str = "ada@desk") -> None:
        self.ledger.append("production", kind, {"plan": plan} if plan else {}, feature="reviews", release=release, run="r1", by=by)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def one(lines: list[str]) -> str:
    (line,) = lines
    return line


def test_a_plan_comes_back_from_its_file_and_nothing_moved(world: World, tmp_path: Path) -> None:
    world.note("verified", release="before")
    saved = world.plan()
    plan_file.save(saved, tmp_path / "plan.json")
    loaded = plan_file.load(tmp_path / "plan.json")
    assert loaded == saved
    assert (loaded.digest, loaded.releases) == (saved.digest, ("api",))
    assert loaded.head is not None
    assert loaded.head.seq == 1
    assert differences(loaded, world.plan()) == []


def test_what_moves_by_itself_makes_no_plan_stale(world: World) -> None:
    saved = world.plan()
    world.surveys["web1"]["service"].update(pid=99, started_at=5.0, reason="since 11:55")
    del world.surveys["web2"]["service"]["pid"]
    world.surveys["web1"]["artifacts"]["live"]["since"] = 8.0
    assert differences(saved, world.plan()) == []


def test_reasons_are_words_and_make_no_plan_stale(world: World) -> None:
    """They name times of day, such as when a process was started."""
    saved = world.plan()
    plans = copy.deepcopy(saved.plans)
    plans[0]["steps"][0]["hosts"][0]["reason"] = "shop started 09:14"
    assert differences(saved, saved.model_copy(update={"plans": plans})) == []


# Reality


def test_a_live_link_moved_by_hand_is_told_with_its_host(world: World) -> None:
    """terraform#8790: reality moved, the ledger did not."""
    saved = world.plan()
    world.surveys["web2"]["artifacts"]["live"]["version"] = "1.5.0"
    assert one(differences(saved, world.plan())) == "web2: artifacts live version was 1.0.0, is 1.5.0"


def test_hosts_that_come_and_go_are_told(world: World) -> None:
    saved = world.plan()
    world.surveys["web3"] = survey("1.0.0")
    del world.surveys["web1"]
    world.hosts["install"] = ["web2", "web3"]
    assert differences(saved, world.plan()) == [
        'hosts of install was ["web1", "web2"], is ["web2", "web3"]',
        "web1: answered the survey then, and does not now",
        "web3: was not surveyed then, and is now",
    ]


def test_things_that_appear_and_vanish_on_a_host_are_told(world: World) -> None:
    saved = world.plan()
    world.surveys["web1"]["artifacts"]["staged"] = [{"version": "2.0.0", "sha256": "b", "staged_at": 3.0}]
    world.surveys["web2"]["service"] = {"running": False}
    lines = differences(saved, world.plan())
    assert lines[0] == 'web1: artifacts staged was nothing, is [{"version": "2.0.0", "sha256": "b", "staged_at": 3.0}]'
    assert "web2: service running was true, is false" in lines
    assert "web2: service name is gone, was shop" in lines
    assert not any("pid" in line for line in lines)


# Feature file and what goes with it


def test_each_change_of_the_feature_file_is_told(world: World) -> None:
    saved = world.plan()
    world.feature["releases"][0]["soak"] = "5m"
    world.feature["releases"][0]["restart"] = {"batches": ["100%"]}
    world.feature["releases"].append({"release": "later", "restart": {}})
    assert differences(saved, world.plan()) == [
        'feature file: releases api restart batches was [1, "100%"], is ["100%"]',
        "feature file: releases api soak was 10m, is 5m",
        'feature file: releases later is new: {"release": "later", "restart": {}}',
    ]


def test_another_order_of_releases_is_a_change(world: World) -> None:
    saved = world.plan()
    now = world.plan().model_copy(update={"content": {**saved.content, "releases": saved.content["releases"][::-1]}})
    assert one(differences(saved, now)) == 'feature file: releases was ["api", "ui"], is ["ui", "api"]'


def test_gates_and_hooks_in_use_are_bound_too_and_give_no_secret_away(world: World) -> None:
    world.project["gates"]["smoke"] = {"http": {"url": "https://shop/", "headers": {"Authorization": "hunter2"}}}
    saved = world.plan()
    assert "hunter2" not in saved.model_dump_json()
    world.project["gates"]["smoke"] = {"command": ["false"]}
    world.project["gates"]["unused"] = {"command": ["false"]}
    world.project["environments"]["staging"] = {"inventory": "s"}
    (world.root / "warm.yml").write_text("- ansible.builtin.reboot:\n")
    assert differences(saved, world.plan()) == ["gate smoke in surefoot.yml changed", "warm.yml changed"]


# Ledger


def test_an_entry_since_makes_it_stale_and_is_told(world: World) -> None:
    world.note("verified", release="before")
    saved = world.plan()
    world.note("started", release="other", by="bob@desk")
    told = "ledger: entry 2 came since: started reviews other by bob@desk at 2026-03-02T12:00:00.000Z"
    assert one(differences(saved, world.plan())) == told


def test_entries_of_other_environments_move_nothing(world: World) -> None:
    saved = world.plan()
    world.ledger.append("staging", "started", {})
    assert differences(saved, world.plan()) == []


def test_a_plan_made_on_an_empty_ledger_is_applied_once(world: World) -> None:
    """terraform#27721"""
    saved = world.plan()
    assert saved.head is None
    for kind in ("started", "released", "verified"):
        world.note(kind, plan=saved.digest)
    lines = differences(saved, world.plan())
    assert lines[0] == "ledger: this plan was applied already"
    assert len(lines) == 4
    assert not goes_on(saved, world.plan().ledger)


def test_approvals_move_nothing_however_many(world: World) -> None:
    world.note("verified", release="before")
    saved = world.plan()
    for _ in range(30):
        world.ledger.append("production", "approved", {"plan": saved.digest}, by="bob")
    now = world.plan()
    assert now.head == saved.head
    assert differences(saved, now) == []
    world.note("held", release=None)
    assert "came since: held" in one(differences(saved, world.plan()))


def test_an_older_copy_of_the_ledger_is_told(world: World, tmp_path: Path) -> None:
    world.note("verified", release="before")
    backup = (tmp_path / "ledger.db").read_bytes()
    world.note("verified", release="another")
    saved = world.plan()
    (tmp_path / "ledger.db").write_bytes(backup)
    told = "ledger: it ends at entry 1, but the plan knows entry 2: it is an older copy, or another ledger"
    assert one(differences(saved, world.plan())) == told
    world.note("verified", release="elsewhere")
    assert one(differences(saved, world.plan())) == "ledger: entry 2 is not the one the plan knows: it is another ledger, or was written anew"
    (tmp_path / "ledger.db").unlink()
    assert "it ends at entry 0" in one(differences(saved, world.plan()))


def test_more_moves_than_anybody_reads_are_counted(world: World) -> None:
    world.note("verified", release="before")
    saved = world.plan()
    for _ in range(50):
        world.note("started")
    world.most = 1000
    lines = differences(saved, world.plan())
    assert len(lines) == 31
    assert lines[-1] == "and 20 more"


# Going on with a plan that was interrupted


def test_an_interrupted_plan_goes_on_and_nothing_else_does(world: World) -> None:
    world.note("verified", release="before")
    saved = world.plan()
    assert not goes_on(saved, world.plan().ledger)  # nothing begun: the ordinary way
    world.note("started", plan=saved.digest)
    world.ledger.append("production", "approved", {"plan": saved.digest}, by="bob")
    assert goes_on(saved, world.plan().ledger)
    world.note("released", plan=saved.digest)
    assert goes_on(saved, world.plan().ledger)
    world.note("started", plan="another")
    assert not goes_on(saved, world.plan().ledger)


@pytest.mark.parametrize("kind", ["failed", "rolling_back", "rolled_back", "rollback_failed", "adopted"])
def test_a_plan_that_failed_does_not_go_on(world: World, kind: str) -> None:
    saved = world.plan()
    world.note("started", plan=saved.digest)
    world.note(kind, plan=saved.digest)
    assert not goes_on(saved, world.plan().ledger)


# The artifacts


def test_a_plan_knows_the_artifacts_of_its_own_releases_and_no_others(world: World) -> None:
    assert world.plan().artifacts == {"2.0.0": "a" * 64}


def test_an_artifact_that_was_built_again_makes_the_plan_stale(world: World) -> None:
    saved = world.plan()
    world.artifacts["2.1.0"] = "c" * 64
    assert differences(saved, world.plan()) == []
    world.artifacts["2.0.0"] = "c" * 64
    assert one(differences(saved, world.plan())) == f"sha256 of artifact 2.0.0 was {'a' * 64}, is {'c' * 64}"
    del world.artifacts["2.0.0"]
    assert one(differences(saved, world.plan())) == f"sha256 of artifact 2.0.0 is gone, was {'a' * 64}"


def test_an_interrupted_plan_does_not_go_on_with_another_artifact(world: World) -> None:
    saved = world.plan()
    world.note("started", plan=saved.digest)
    check_saved(saved, world.plan())
    world.artifacts["2.0.0"] = "c" * 64
    with pytest.raises(Refused, match=r"sha256 of artifact 2\.0\.0"):
        check_saved(saved, world.plan())
    del world.artifacts["2.0.0"]  # no longer asked for, once it is done
    check_saved(saved, world.plan())


# The plan itself


def test_a_plan_for_something_else_is_no_match(world: World) -> None:
    saved = world.plan()
    other = saved.model_copy(update={"environment": "staging"})
    assert one(differences(other, saved)) == "the plan is for reviews in staging, not for reviews in production"


def test_a_plan_that_comes_out_differently_from_the_same_is_stale(world: World) -> None:
    """Another version of surefoot may decide otherwise."""
    saved = world.plan()
    plans = copy.deepcopy(saved.plans)
    plans[0]["steps"][0]["hosts"][1]["needed"] = False
    older = saved.model_copy(update={"plans": plans, "surefoot": "0.0.1"})
    lines = differences(older, saved)
    assert lines[0] == "the plan comes out differently: api steps install hosts web2 needed was false, is true"
    assert lines[1].startswith("surefoot was 0.0.1, is ")


def test_a_moment_without_a_time_zone_is_refused(world: World) -> None:
    feature = FeatureFile.model_validate(FEATURE)
    source = Source(root=world.root, project=ProjectFile.model_validate(PROJECT), feature=feature)
    with pytest.raises(InvalidInput, match="needs a time zone"):
        make_saved_plan(source, "production", [], found=Surveyed(surveys={}, hosts={}), ledger=[], now=NOON.replace(tzinfo=None))


# Files


@pytest.fixture
def written(world: World, tmp_path: Path) -> dict[str, t.Any]:
    plan_file.save(world.plan(), tmp_path / "plan.json")
    return t.cast("dict[str, t.Any]", json.loads((tmp_path / "plan.json").read_text()))


def read(data: t.Any) -> SavedPlan:
    return plan_file.parse(data if isinstance(data, bytes) else json.dumps(data).encode(), name="plan.json")


def test_layout_is_no_edit(written: dict[str, t.Any]) -> None:
    assert read(json.dumps(written, sort_keys=True).encode()).digest == written["digest"]


@pytest.mark.parametrize(
    "where",
    [
        ("environment",),
        ("made_by",),
        ("content", "releases", 0, "soak"),
        ("surveys", "web1", "service", "reason"),
        ("plans", 0, "steps", 0, "hosts", 0, "reason"),
        ("surroundings", "warm.yml"),
        ("hosts", "install", 0),
    ],
)
def test_an_edited_plan_is_refused_wherever_it_was_edited(written: dict[str, t.Any], where: tuple[t.Any, ...]) -> None:
    inner: t.Any = written
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = 1 if isinstance(inner[where[-1]], (int, float)) else "edited"
    with pytest.raises(Refused, match="was edited after it was saved"):
        read(written)


def test_a_plan_with_a_digest_made_anew_is_another_plan(written: dict[str, t.Any], world: World) -> None:
    """The digest is no signature: the approvals of the first plan are not those of this one, and it still has to be what would be planned now."""
    saved = read(written)
    forged = saved.model_copy(update={"plans": [{**saved.plans[0], "needed": False}]})
    assert forged.digest != saved.digest
    assert "needed was false, is true" in one(differences(forged, world.plan()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: {**data, "format": 2}, "Another version of surefoot saved plan.json"),
        (lambda data: {**data, "format": "\x1b[2J"}, r"format \\x1b\[2J, known 1"),
        (lambda data: {**data, "extra": 1}, "is not a saved plan; found: extra"),
        (lambda data: {**data, "surveys": []}, "is not a saved plan; found: surveys"),
        (lambda data: {**data, "plans": []}, "no release in it"),
        (lambda data: {**data, "plans": [{"release": "api"}]}, "is not a saved plan"),
        (lambda data: {**data, "plans": [{}]}, "is not a saved plan"),
        (lambda data: {key: value for key, value in data.items() if key != "digest"}, "is not a saved plan"),
        (lambda _: [], "is not a saved plan"),
        (lambda _: b"", "not JSON"),
        (lambda _: b"\xff", "not JSON"),
        (lambda _: b'{"format": NaN}', "NaN is not a JSON number"),
        (lambda _: b'{"format": 1, "format": 1}', "a key is there twice"),
        (lambda _: b"[" * 100_000, "not JSON"),
        (lambda _: b'{"format": ' + b"1" * 5000 + b"}", "not JSON"),
        (lambda data: {**data, "digest": ["x"]}, "was edited"),
    ],
)
def test_what_is_no_plan_gets_one_clear_error(written: dict[str, t.Any], change: t.Callable[[t.Any], t.Any], message: str) -> None:
    with pytest.raises((InvalidInput, Refused), match=message):
        read(change(written))


def test_files_that_cannot_be_read_or_written(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, message in ((tmp_path, "is not a file"), (tmp_path / "none.json", "cannot be read"), (tmp_path / "\0", "cannot be read")):
        with pytest.raises(InvalidInput, match=message):
            plan_file.load(path)
    with pytest.raises(InvalidInput, match="cannot be written"):
        plan_file.save(world.plan(), tmp_path / "none" / "plan.json")
    saved = world.plan()
    monkeypatch.setattr(plan_file, "LARGEST", 1000)
    with pytest.raises(InvalidInput, match="too large"):
        plan_file.save(saved, tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()
    with pytest.raises(InvalidInput, match="is larger than"):
        read(saved.model_dump())


def test_what_hosts_say_is_escaped_and_survives_the_file(world: World, tmp_path: Path) -> None:
    world.surveys["web1"]["artifacts"]["problem"] = "torn \x1b[2J\udcff ‮"
    saved = world.plan()
    plan_file.save(saved, tmp_path / "plan.json")
    loaded = plan_file.load(tmp_path / "plan.json")
    assert loaded == saved
    world.surveys["web1"]["artifacts"]["problem"] = None
    assert one(differences(loaded, world.plan())).startswith("web1: artifacts problem was torn \\x1b[2J\\udcff \\u202e, is nothing")
