"""How far a path has come, by what the ledger and the receipts say."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.release import parse_release
from surefoot.ledger import Entry
from surefoot.progress import Progress, Standing, progress, standings

RELEASES = tuple(
    parse_release(mapping, "reviews")
    for mapping in (
        {"release": "table", "migrate": {"version": "2.0.0"}},
        {"release": "api", "install": {"version": "2.0.0"}, "restart": {}},
        {"release": "own", "playbook": "own.yml"},
    )
)
HOSTS = {"migrate": ["h1"], "install": ["h1", "h2"], "restart": ["h1", "h2"]}


def entry(kind: str, release: str | None = "api", *, at: str = "2026-01-01T00:00:00.000Z", run: str | None = "r1", **payload: t.Any) -> Entry:
    told = {"environment": "test", "feature": "reviews", "by": "me@here", "hash": "", "prev": ""}
    return Entry(seq=1, at=at, kind=kind, release=release, run=run, payload=payload, **told)


def receipts(**verified: tuple[str, ...]) -> dict[str, dict[str, t.Any]]:
    return {
        host: {"receipt": {"releases": [{"feature": "reviews", "release": name, "outcome": "verified"} for name in names]}} for host, names in verified.items()
    }


def states(found: Progress) -> list[str]:
    return [one.state for one in found.releases]


def test_nothing_is_known_of_a_release_that_never_was() -> None:
    assert standings([]) == {}
    assert standings([entry("lock", None), entry("approved")]) == {}


@pytest.mark.parametrize("kind", ["started", "released", "verified", "failed", "rolling_back", "rollback_failed", "rolled_back", "refused"])
def test_the_last_word_counts(kind: str) -> None:
    known = standings([entry("started"), entry(kind, at="2026-01-02T00:00:00.000Z", run="r2")])["api"]
    assert (known.state, known.since, known.run) == (kind, "2026-01-02T00:00:00.000Z", "r2")


def test_a_way_back_leads_to_what_was_there_before_the_first_try() -> None:
    first, later = {"install": {"h1": {"live": "1.0.0"}}}, {"install": {"h1": {"live": "2.0.0"}}}
    tried = [entry("started", before=first), entry("failed"), entry("started", before=later)]
    assert standings(tried)["api"].before == first
    assert standings([*tried, entry("released"), entry("verified")])["api"].before == first
    assert standings([*tried, entry("rolling_back")])["api"].before == first


def test_what_was_there_before_an_undone_try_is_not_what_was_there_before_somebody_else_did_it() -> None:
    undone = [entry("started", before={"install": {"h1": {"live": "1.0.0"}}}), entry("verified"), entry("rolling_back"), entry("rolled_back")]
    assert standings(undone)["api"].before
    assert standings([*undone, entry("adopted", run=None)])["api"].before == {}


@pytest.mark.parametrize("settled", ["verified", "rolled_back", "refused"])
def test_once_settled_the_next_try_begins_anew(settled: str) -> None:
    first, later = {"install": {"h1": {"live": "1.0.0"}}}, {"install": {"h1": {"live": "1.5.0"}}}
    assert standings([entry("started", before=first), entry(settled), entry("started", before=later)])["api"].before == later


def test_a_path_without_receipts_is_before_its_first_release() -> None:
    found = progress(RELEASES, receipts(h1=(), h2=()), HOSTS, {})
    assert states(found) == ["pending", "pending", "pending"]
    assert found.next is found.releases[0]
    assert found.drift == ()


def test_receipts_alone_make_a_release_done() -> None:
    found = progress(RELEASES, receipts(h1=("table", "api"), h2=("api",)), HOSTS, {})
    assert states(found) == ["done", "done", "pending"]


def test_a_receipt_that_is_missing_on_one_host_leaves_a_release_unfinished() -> None:
    found = progress(RELEASES, receipts(h1=("table", "api"), h2=()), HOSTS, {})
    assert states(found)[1] == "unfinished"
    assert found.releases[1].missing == ("h2",)


def test_a_release_that_was_rolled_back_on_a_host_has_no_receipt_there() -> None:
    surveys = receipts(h1=("table", "api"), h2=("api",))
    surveys["h2"]["receipt"]["releases"].append({"feature": "reviews", "release": "api", "outcome": "rolled_back"})
    assert progress(RELEASES, surveys, HOSTS, {}).releases[1].missing == ("h2",)


@pytest.mark.parametrize("word", ["started", "released", "rolling_back", "rollback_failed"])
def test_receipts_everywhere_are_not_enough_while_the_ledger_is_not_through(word: str) -> None:
    """A runner that was killed while a release soaked, or on the way back, has left receipts that are too early or too late."""
    found = progress(RELEASES, receipts(h1=("table", "api"), h2=("api",)), HOSTS, {"api": Standing(state=word)})
    assert states(found)[1] == "unfinished"
    assert found.next is found.releases[1]


def test_a_failed_release_is_failed_whatever_receipts_say() -> None:
    assert states(progress(RELEASES, receipts(h1=("table", "api"), h2=("api",)), HOSTS, {"api": Standing(state="failed")}))[1] == "failed"


def test_verified_in_the_ledger_without_a_receipt_is_drift() -> None:
    found = progress(RELEASES, receipts(h1=("table", "api"), h2=()), HOSTS, {"api": Standing(state="verified")})
    assert found.drift == ("the ledger says that api was verified, but there is no receipt of it on h2",)


def test_a_host_that_did_not_answer_counts_as_one_without_a_receipt() -> None:
    found = progress(RELEASES, receipts(h1=("table", "api")), HOSTS, {"api": Standing(state="verified")})
    assert found.releases[1].missing == ("h2",)
    assert found.drift


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("none", "pending"),
        ("started", "unfinished"),
        ("released", "unfinished"),
        ("verified", "done"),
        ("failed", "failed"),
        ("rolled_back", "pending"),
        ("refused", "pending"),
    ],
)
def test_of_a_playbook_of_ones_own_only_the_ledger_knows(word: str, state: str) -> None:
    found = progress(RELEASES, receipts(h1=(), h2=()), HOSTS, {"own": Standing(state=word)})
    assert states(found)[2] == state
    assert not found.drift


def of_run(run: str, at: str = "2026-01-01T00:00:01+00:00") -> dict[str, dict[str, t.Any]]:
    return {"h1": {"receipt": {"releases": [{"feature": "reviews", "release": "api", "outcome": "verified", "run": run, "at": at}]}}}


@pytest.mark.parametrize(("run", "drifts"), [("r1", False), ("", False), ("r9", True)])
def test_a_receipt_from_a_run_the_ledger_does_not_know_is_drift(run: str, drifts: bool) -> None:
    release = parse_release({"release": "api", "install": {"version": "2.0.0"}}, "reviews")
    known = standings([entry("started", run="r1"), entry("verified", run="r1")])
    found = progress([release], of_run(run), {"install": ["h1"]}, known)
    assert bool(found.drift) is drifts
    if drifts:
        assert "h1 had api from a run that the ledger does not know" in found.drift[0]


def test_adopting_accepts_receipts_from_before_it_and_no_later_ones() -> None:
    release = parse_release({"release": "api", "install": {"version": "2.0.0"}}, "reviews")
    known = standings([entry("adopted", at="2026-01-02T00:00:00.000Z", run=None)])
    assert not progress([release], of_run("r9"), {"install": ["h1"]}, known).drift
    assert progress([release], of_run("r9", at="2026-01-03T00:00:00+00:00"), {"install": ["h1"]}, known).drift
