"""What was written by anybody, on a host or in a file: whatever it is, it ends in what it should have been or in a refusal, and never in a traceback."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import hashlib
import io
import json
import pathlib
import tempfile
import typing as t

from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.surefoot.release.plugins.action.environment_lock import is_gone
from ansible_collections.surefoot.release.plugins.module_utils import environment_lock as locks
from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, SurefootError
from ansible_collections.surefoot.release.plugins.plugin_utils import at_work
from ansible_collections.surefoot.release.plugins.plugin_utils.answers import of_a_step
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import at_ramp_stage, reality_digest
from ansible_collections.surefoot.release.plugins.plugin_utils.survey_form import problem_in
from ansible_collections.surefoot.release.plugins.plugin_utils.surveying import understood
from runner import _fakes
from runner._fakes import answer
from runner._fuzzing import examples
from surefoot import plan_file
from surefoot.conductor import _tell
from surefoot.environment_lock import _understood
from surefoot.events import StepDone
from surefoot.models import FeatureFile, ProjectFile
from surefoot.planning import Surveyed, plan_feature
from surefoot.progress import Standing
from surefoot.report.console import SafeConsole
from surefoot.report.documents import plan_document
from surefoot.report.plan_view import show_plan
from surefoot.report.progress_view import ProgressView
from surefoot.report.tables import survey_remarks, survey_table
from surefoot.saved_plan import SavedPlan, Source, check_saved, make_saved_plan

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
ROAD = [
    *_fakes.FEATURE,
    {
        "release": "everyone",
        "enable_feature": {"flag": "reviews", "audience": {"everyone": True}, "ramp": ["50%", "100%"], "each": 1},
        "flush_cache": {"prefix": "p"},
    },
]
FEATURE = FeatureFile.model_validate({"feature": "reviews", "releases": ROAD})
HOSTS = {kind: ["h1", "h2"] for kind in _fakes.KINDS}
RECEIPT = {
    "receipt": 1,
    "app": "shop",
    "environment": "test",
    "live_version": "1.0.0",
    "verified_versions": ["1.0.0"],
    "releases": [
        {"feature": "reviews", "release": "table", "digest": "0", "outcome": "verified", "version": "1.0.0", "at": "2026-03-02T12:00:00+00:00", "run": "r"}
    ],
}
HOLDER: dict[str, t.Any] = {
    **dict.fromkeys(("app", "token", "owner", "host", "command", "since", "beat", "boot"), "x"),
    "lock": 1,
    "pid": 1,
    "ttl": 60,
    "uptime": 5.0,
    "process": {"host": "x"},
}

PLAIN = _fakes.survey()
SURVEY = {
    **PLAIN,
    "receipt": RECEIPT,
    "receipt_problem": "no room",
    "service": {**PLAIN["service"], "others": [PLAIN["service"]]},
    "migrations": {
        **PLAIN["migrations"],
        "engine": "sql",
        "version": "2.0.0",
        "unknown": ["0009"],
        "irreversible": ["0002"],
        "drift": [{"id": "1", "reason": ""}],
    },
    "flag": {**PLAIN["flag"], "audience": {"groups": ["staff"]}, "others": [{**PLAIN["flag"], "flag": "other", "audience": {"everyone": True}}]},
    "cache": {"reachable": True, "needed": True, "stored": None, "declared": "a", "reason": ""},
}

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["", "1.0.0", "{{ 7 * 7 }}", "\x1b[2J\n", "verified", "2026-03-02T12:00:00", 10**400, -1])
)
VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["release", "version", "at", "x"]), inner, max_size=2)
)


def places(value: t.Any, where: tuple[t.Any, ...] = ()) -> list[tuple[t.Any, ...]]:
    """Where anything stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where, *(place for key, part in inner for place in places(part, (*where, key)))]


@st.composite
def spoiled(draw: st.DrawFn, document: t.Any) -> t.Any:
    """The document with something else in up to three of its places."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(found)[1:] or [("x",)]))
        inner = found
        for key in way:
            inner = inner[key]
        inner[last] = draw(VALUES)
    return found


def spoken(document: t.Any) -> bytes:
    return json.dumps(document).encode()


@examples(150)
@given(st.binary(max_size=80) | VALUES.map(spoken) | spoiled(RECEIPT).map(spoken))
@example(b'{"receipt": 1, "verified_versions": [], "releases": [{}]}')
def test_any_receipt_is_one_or_refused(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        pathlib.Path(file.name).write_bytes(content)
        with contextlib.suppress(Refused):
            assert receipts.is_whole(receipts.read(file.name))


@examples(150)
@given(st.binary(max_size=80) | VALUES.map(spoken) | spoiled(HOLDER).map(spoken))
@example(spoken({**HOLDER, "uptime": float("inf")}))
def test_any_lock_file_is_a_lock_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "shop.lock")
        path.write_bytes(content)
        ours = {**HOLDER, "token": "ours"}
        for changes in (lambda: locks.acquire(str(path), ours, 60), lambda: locks.refresh(str(path), "x"), lambda: locks.release(str(path), "x")):
            with contextlib.suppress(Refused):
                assert changes().reason


@examples(200)
@given(VALUES | spoiled(HOLDER), VALUES, VALUES, st.sampled_from(["ok", "failed", "unreachable"]))
def test_whatever_the_host_of_a_lock_answers_is_an_answer(holder: t.Any, lock: t.Any, error: t.Any, state: str) -> None:
    result = {"holder": holder, "lock": lock, "reason": error, "error": error, "msg": lock, "lost": error}
    understood = _understood(answer("h1", "Take the lock", result, state))
    assert understood is not None
    assert all(isinstance(part, str) for part in (understood.message, understood.seen))
    assert not (isinstance(holder, dict) and is_gone(holder))


@examples(200)
@example({"step": {**_fakes.step("install"), "duration_ms": 10**400}})
@given(spoiled({"step": _fakes.step("pool_member"), "activation": _fakes.step("install"), "msg": "x", "failed": False}))
def test_whatever_a_step_answers_is_told_or_a_failure(result: dict[str, t.Any]) -> None:
    told = of_a_step(result)
    events = list(_tell("api", answer("h1", "Drain", told, "failed" if told.get("failed") else "ok")))
    assert told.get("failed") or any(isinstance(event, StepDone) for event in events)
    with ProgressView(SafeConsole(file=io.StringIO(), width=100)) as view:
        for event in events:
            view.show(event)


@examples(300)
@given(VALUES | spoiled(SURVEY))
def test_by_whatever_a_host_answers_is_planned_or_it_is_refused(found: t.Any) -> None:
    if problem_in(found):
        return
    surveyed = Surveyed(surveys={"h1": found, "h2": _fakes.survey()}, hosts=HOSTS)
    releases = FEATURE.parsed()
    known = {"table": Standing(state="adopted", accepted="2026-03-02T12:00:00+00:00")}
    planned = plan_feature("reviews", "test", releases, surveyed, known)
    console = SafeConsole(file=io.StringIO(), width=100)
    show_plan(console, planned, probes=[])
    for shown in (survey_table(surveyed), *survey_remarks(planned)):
        console.print(shown)
    assert json.dumps(plan_document(planned), default=str)
    assert at_ramp_stage(releases[-1], 50, surveyed.surveys)
    assert reality_digest(surveyed.surveys)


BUSY = {"kind": "restart", "what": "shop", "pid": 1, "user": 0, "since": 1.0, "seconds": 2.0}


@examples(200)
@given(VALUES | spoiled({"survey": {}, "at_work": [BUSY, {**BUSY, "pid": None, "user": None, "seconds": None}]}))
def test_whatever_is_at_work_is_named_or_a_failure(answered: t.Any) -> None:
    result = understood(answered if isinstance(answered, dict) else {"at_work": answered})
    for host, steps in {"h1": result.get("at_work") or []}.items():
        assert not steps or at_work.waited_for(host, steps)
        assert len(at_work.refusals({host: steps})) == len(at_work.told({host: steps})) == len(steps)


def saved() -> SavedPlan:
    project = ProjectFile.model_validate({"app": "shop", "environments": {"test": {"inventory": "i"}}})
    source = Source(root=pathlib.Path(tempfile.gettempdir()), project=project, feature=FEATURE)
    surveyed = Surveyed(surveys={host: _fakes.survey() for host in HOSTS["install"]}, hosts=HOSTS)
    planned = plan_feature("reviews", "test", FEATURE.parsed(), surveyed, {})
    return make_saved_plan(source, "test", planned.plans[:1], found=surveyed, ledger=[], now=NOON)


PLAN = saved()


def digest(content: t.Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@examples(200)
@given(
    st.binary(max_size=80) | VALUES.map(spoken) | spoiled(PLAN.model_dump()).map(lambda content: spoken({"format": 1, "digest": digest(content), **content}))
)
@example(spoken({"format": 1, "digest": PLAN.digest, **PLAN.model_dump()}))
def test_any_saved_plan_is_this_one_or_refused(content: bytes) -> None:
    try:
        plan = plan_file.parse(content, name="plan.json")
        check_saved(plan, PLAN)
    except SurefootError:
        return
    assert (plan.releases, plan.content, plan.hosts) == (PLAN.releases, PLAN.content, PLAN.hosts)
