"""approve, hold, resume and adopt as commands: what they write into the ledger, what they say, and how they end. No terminal is ever asked."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.plan import plan_release
from surefoot import plan_file
from surefoot.cli import main
from surefoot.decisions import consult
from surefoot.exits import Exit
from surefoot.ledger import Entry
from surefoot.ledger.author import whoami
from surefoot.planning import Surveyed
from surefoot.policy import Request
from surefoot.project import Project
from surefoot.saved_plan import SavedPlan, Source, make_saved_plan, recent

PROJECT = """\
app: bookshop
environments:
  staging:    {inventory: inventories/staging}
  production:
    inventory: inventories/production
    promote_from: {staging: 1h}
    approvals: 2
    approvals_expire: 2h
    freeze:
      - {from: "2020-12-24 00:00", to: "2021-01-02 08:00", zone: Europe/Berlin, because: Christmas}
"""
FEATURE = """\
feature: reviews
releases:
  - release: api
    install: {version: 2.0.0}
"""


class Ended(t.NamedTuple):
    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.out))


class Desk:
    """A project, and somebody without a terminal who runs commands in it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.root = root
        (root / "features").mkdir()
        (root / "surefoot.yml").write_text(PROJECT)
        (root / "features/reviews.yml").write_text(FEATURE)
        self.project = Project.load(root / "surefoot.yml")
        self.plan = root / "plan.json"

    def run(self, *arguments: str) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([arguments[0], "--project", str(self.root / "surefoot.yml"), *arguments[1:]])
        return Ended(int(end.value.code or 0), *self._capsys.readouterr())

    def entries(self) -> list[Entry]:
        return self.project.history()

    def save_plan(self) -> SavedPlan:
        feature = self.project.feature("reviews")
        surveys: dict[str, t.Any] = {"web1": {"artifacts": {"path": "/opt", "live": None, "staged": [], "problem": None}}}
        plans = [plan_release(feature.parsed()[0], (), surveys, {"install": ["web1"]})]
        source = Source(root=self.root, project=self.project.file, feature=feature)
        with self.project.ledger() as ledger:
            kept = recent(ledger, "production")
        saved = make_saved_plan(
            source, "production", plans, found=Surveyed(surveys=surveys, hosts={"install": ["web1"]}), ledger=kept, now=dt.datetime.now(dt.UTC)
        )
        plan_file.save(saved, self.plan)
        return saved


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return Desk(tmp_path, capsys)


# approve


def test_an_approval_is_written_for_the_plan_and_counts(desk: Desk) -> None:
    saved = desk.save_plan()
    ended = desk.run("approve", str(desk.plan), "--by", "ada", "--because", "looked at it")
    assert ended.code == Exit.DONE
    assert "ada approved api of reviews in production, until " in ended.out
    assert "Approved by 1, needed are 2" in ended.out
    (entry,) = desk.entries()
    assert (entry.kind, entry.environment, entry.feature, entry.release, entry.by) == ("approved", "production", "reviews", "api", "ada")
    assert entry.payload == {"plan": saved.digest, "releases": ["api"], "account": whoami(), "because": "looked at it"}
    ended = desk.run("approve", str(desk.plan), "--by", "Bob", "--json")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    answer = ended.answer
    assert (answer["plan"], answer["approvals"], answer["needed"], answer["entry"]["by"]) == (saved.digest, ["Bob", "ada"], 2, "Bob")
    given, until = (dt.datetime.fromisoformat(moment) for moment in (answer["entry"]["at"], answer["until"]))
    assert until - given == dt.timedelta(hours=2)
    name, settings = desk.project.environment("production")
    request = Request(environment=name, feature="reviews", release="api", digest="d", by="carol@desk", plan=saved.digest)
    with desk.project.ledger() as ledger:
        assert consult(ledger, request, settings, dt.datetime.now(dt.UTC)).waits_for == ()
        later = consult(ledger, request, settings, dt.datetime.now(dt.UTC) + dt.timedelta(hours=3))
    assert "2 of them missing" in later.waits_for[0].message


def test_an_approval_needs_a_name_and_is_not_asked_for(desk: Desk) -> None:
    desk.save_plan()
    ended = desk.run("approve", str(desk.plan))
    assert ended.code == Exit.ERROR
    assert "--by" in ended.err
    for name in ("", "  ", "@desk", "a\nb", "x\x1b[2J", "x" * 101, "‮eve"):
        ended = desk.run("approve", str(desk.plan), "--by", name)
        assert ended.code == Exit.ERROR, name
        assert "\x1b" not in ended.err
    assert desk.entries() == []


def test_an_edited_plan_is_not_approved(desk: Desk) -> None:
    desk.save_plan()
    desk.plan.write_text(desk.plan.read_text().replace("2.0.0", "6.6.6"))
    ended = desk.run("approve", str(desk.plan), "--by", "ada")
    assert ended.code == Exit.REFUSED
    assert "was edited after it was saved" in ended.err
    assert desk.entries() == []


def test_a_plan_that_was_left_behind_is_not_approved(desk: Desk) -> None:
    desk.save_plan()
    (desk.root / "features/reviews.yml").write_text(FEATURE.replace("2.0.0", "2.0.1"))
    ended = desk.run("approve", str(desk.plan), "--by", "ada")
    assert ended.code == Exit.REFUSED
    assert "feature file: releases api install version was 2.0.0, is 2.0.1" in ended.err
    (desk.root / "features/reviews.yml").write_text("# a remark\n" + FEATURE)
    desk.run("hold", "-E", "production", "--because", "x")
    ended = desk.run("approve", str(desk.plan), "--by", "ada")
    assert ended.code == Exit.REFUSED
    assert "ledger: entry 1 came since: held by " in ended.err
    assert [entry.kind for entry in desk.entries()] == ["held"]


def test_what_is_no_plan_is_an_error(desk: Desk) -> None:
    for path in (desk.root / "none.json", desk.root / "surefoot.yml", desk.root):
        ended = desk.run("approve", str(path), "--by", "ada")
        assert ended.code == Exit.ERROR
        assert len(ended.err.splitlines()) <= 3


def test_a_plan_of_an_unknown_environment_is_an_error(desk: Desk) -> None:
    desk.save_plan()
    (desk.root / "surefoot.yml").write_text("app: bookshop\nenvironments: {live: {inventory: i}}\n")
    ended = desk.run("approve", str(desk.plan), "--by", "ada")
    assert ended.code == Exit.ERROR
    assert "There is no environment production" in ended.err


# hold and resume


def test_hold_and_resume_are_entries_with_reasons(desk: Desk) -> None:
    assert desk.run("hold", "-E", "production", "--because", "the night shift restores it").code == Exit.DONE
    held = desk.run("hold", "-E", "production", "--because", "a second reason", "--json").answer
    assert (held["entry"]["kind"], held["entry"]["payload"]) == ("held", {"because": "a second reason"})
    ended = desk.run("resume", "-E", "production", "--because", "restored")
    assert "the night shift restores it" in ended.out
    assert "a second reason" in ended.out
    assert ended.out.endswith("production is open to releases\n")
    again = desk.run("resume", "-E", "production", "--because", "restored")
    assert (again.code, again.out) == (Exit.DONE, "production was not held\n")
    assert desk.run("resume", "-E", "production", "--because", "restored", "--json").answer == {"format": 1, "entry": None}
    assert [(entry.kind, entry.environment, entry.by) for entry in desk.entries()] == [
        ("held", "production", whoami()),
        ("held", "production", whoami()),
        ("resumed", "production", whoami()),
    ]


@pytest.mark.parametrize("command", ["hold", "resume"])
def test_a_reason_and_an_environment_are_asked_for(desk: Desk, command: str) -> None:
    for arguments, message in (
        (("-E", "production"), "--because"),
        (("--because", "x"), "Which environment?"),
        (("-E", "prod", "--because", "x"), "There is no environment prod"),
        (("-E", "production", "--because", " "), "--because is one line"),
        (("-E", "production", "--because", "x" * 301), "--because is one line"),
        (("-E", "production", "--because", "a\nb"), "--because is one line"),
    ):
        ended = desk.run(command, *arguments)
        assert ended.code == Exit.ERROR
        assert message in ended.err
    assert desk.entries() == []


# adopt


def test_adopting_what_is_not_there_is_an_error(desk: Desk) -> None:
    for arguments, message in (
        (("reviews", "--release", "ui", "-E", "production", "--because", "x"), "Feature reviews has no release ui"),
        (("search", "--release", "api", "-E", "production", "--because", "x"), "There is no feature search"),
        (("reviews", "--release", "api", "-E", "production"), "--because"),
        (("reviews", "-E", "production", "--because", "x"), "--release"),
    ):
        ended = desk.run("adopt", *arguments)
        assert ended.code == Exit.ERROR
        assert message in ended.err
    assert desk.entries() == []
