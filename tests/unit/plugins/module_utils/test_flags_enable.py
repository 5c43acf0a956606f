"""Opening a feature in a flag file that others write too."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.errors import Busy, InvalidInput, Refused, StepFailed, SurefootError
from ansible_collections.surefoot.release.plugins.module_utils.flags import enable, flagfile
from ansible_collections.surefoot.release.plugins.module_utils.flags.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.flags.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.step import Step

STAFF = {"groups": ["staff"]}
OTHERS = """{
    "$evaluators": {"mail": {"ends_with": [{"var": "email"}, "@shop.example"]}},
    "x-owner": "shop \u00e4 \\u00e9",
    "flags": {
        "zebra": {"variants": {"b": "stripes", "a": "none"}, "state": "ENABLED", "defaultVariant": "a", "targeting": {"$ref": "mail"}},
        "sale": {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
        "rate": {"state": "ENABLED", "variants": {"low": 0.1, "high": 12345678901234567890}, "defaultVariant": "low"}
    },
    "metadata": {"version": 7}
}
"""


def options(path: pathlib.Path, **given: t.Any) -> dict[str, t.Any]:
    if given.get("state") != "absent":
        given.setdefault("audience", STAFF)
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"path": str(path), "flag": "reviews", **given})
    assert not validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


def run(path: pathlib.Path, *, check_mode: bool = False, **given: t.Any) -> Step:
    return enable.perform(options(path, **given), check_mode=check_mode)


def shape(text: str) -> t.Any:
    """The meaning of JSON with the order of its keys."""
    return json.loads(text, object_pairs_hook=list)


def snapshot(directory: pathlib.Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


@pytest.fixture
def flags(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "flags.json"
    path.write_text(OTHERS)
    return path


def test_everything_of_others_is_kept_in_its_order(flags: pathlib.Path) -> None:
    run(flags)
    run(flags, audience={"everyone": True})
    run(flags, state="absent", allow_decrease=True)
    assert shape(flags.read_text()) == shape(OTHERS)
    assert flags.read_text().startswith('{\n    "$evaluators"')


def test_mode_and_link_are_kept(flags: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flags.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to("flags.json")
    run(link)
    assert link.is_symlink()
    assert flags.stat().st_mode & 0o777 == 0o640
    assert "reviews" in json.loads(flags.read_text())["flags"]


def test_second_run_changes_nothing(flags: pathlib.Path, tmp_path: pathlib.Path) -> None:
    first = run(flags)
    assert first.needed
    before = snapshot(tmp_path)
    again = run(flags)
    assert not again.needed
    assert again.before == again.after == first.after
    assert again.undo is None
    assert snapshot(tmp_path) == before


def test_check_mode_touches_nothing_not_even_a_lock_and_predicts(flags: pathlib.Path, tmp_path: pathlib.Path) -> None:
    before = snapshot(tmp_path)
    predicted = run(flags, check_mode=True)
    assert snapshot(tmp_path) == before
    assert run(flags) == predicted
    absent = tmp_path / "none.json"
    assert run(absent, check_mode=True).needed
    assert not absent.exists()


def test_a_missing_file_is_created_and_a_missing_directory_refused(tmp_path: pathlib.Path) -> None:
    step = run(tmp_path / "new.json")
    assert step.undo == {"flag": "reviews", "state": "absent"}
    assert json.loads((tmp_path / "new.json").read_text())["$schema"] == flagfile.SCHEMA
    with pytest.raises(Refused, match="directory of the flag file does not exist"):
        run(tmp_path / "nowhere" / "flags.json")


@pytest.mark.parametrize("future", [-3600.0, 0.0, 86400.0 * 365])
def test_the_modification_time_always_grows(flags: pathlib.Path, future: float) -> None:
    os.utime(flags, (time.time() + future,) * 2)
    for audience in (STAFF, {"groups": ["staff", "press"]}, {"everyone": True}):
        before = flags.stat().st_mtime
        run(flags, audience=audience)
        assert flags.stat().st_mtime >= before + 1 or (future < 0 and flags.stat().st_mtime > before)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"flags": {', "not valid JSON"),
        ("", "not valid JSON"),
        ('{"flags": {"a": 1, "a": 2}}', 'the key "a" is there twice'),
        ('{"flags": {}, "x": NaN}', "NaN is no JSON number"),
        ('{"flags": {}, "x": 1e999}', "too large"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "no mapping of flags"),
        ('{"flags": []}', "no mapping of flags"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_and_left_alone(flags: pathlib.Path, tmp_path: pathlib.Path, content: str, words: str) -> None:
    flags.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match=words):
        run(flags)
    assert snapshot(tmp_path) == before
    assert words in survey(options(flags))["reason"]


def test_yaml_is_invalid(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidInput, match="JSON only"):
        run(tmp_path / "flags.yaml")


def test_half_a_surrogate_pair_survives(flags: pathlib.Path) -> None:
    flags.write_text('{"flags": {}, "x": "\\ud800", "y": "ä"}')
    run(flags)
    assert json.loads(flags.read_text())["x"] == "\ud800"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"state": "DISABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}, "DISABLED"),
        ({"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": {"in": [1, [2]]}}, "not written by surefoot"),
    ],
)
def test_rules_of_others_are_refused_unless_forced(flags: pathlib.Path, body: dict[str, t.Any], words: str) -> None:
    flags.write_text(json.dumps({"flags": {"reviews": body}}))
    before = flags.read_bytes()
    with pytest.raises(Refused, match=words):
        run(flags)
    assert flags.read_bytes() == before
    found = survey(options(flags))
    assert found["foreign"]
    assert found["audience"] is None
    step = run(flags, force=True)
    assert (step.needed, step.undo, step.reversible) == (True, None, False)
    assert step.before["foreign"]
    assert json.loads(flags.read_text())["flags"]["reviews"]["state"] == "ENABLED"
    assert not run(flags).needed


def test_an_edit_by_hand_is_refused(flags: pathlib.Path) -> None:
    run(flags)
    flags.write_text(flags.read_text().replace('"staff"', '"customers"'))
    with pytest.raises(Refused, match="edited by hand"):
        run(flags)
    with pytest.raises(Refused, match="edited by hand"):
        run(flags, state="absent", allow_decrease=True)


def test_a_flag_that_is_not_boolean_is_refused_even_by_force(flags: pathlib.Path) -> None:
    with pytest.raises(Refused, match="not a boolean"):
        run(flags, flag="zebra", force=True)
    assert flags.read_text() == OTHERS


def test_an_audience_never_shrinks_unasked_and_undo_leads_back(flags: pathlib.Path) -> None:
    wide = {"groups": ["staff", "press"], "percentage": 50.0}
    run(flags, audience=wide)
    for narrow in (STAFF, {"groups": ["staff", "press"], "percentage": 10.0}, {"nobody": True}):
        with pytest.raises(Refused, match="would be closed to users who have it"):
            run(flags, audience=narrow)
    with pytest.raises(Refused, match="would be closed"):
        run(flags, state="absent")
    step = run(flags, audience=STAFF, allow_decrease=True)
    assert step.undo == {"flag": "reviews", "audience": {"groups": ["press", "staff"], "percentage": 50}}
    assert step.reversible
    before = step.before["audience"]
    back = run(flags, **{key: value for key, value in step.undo.items() if key != "flag"})
    assert back.after["audience"] == before


def test_undo_of_a_new_flag_takes_it_away(flags: pathlib.Path) -> None:
    step = run(flags)
    assert step.undo == {"flag": "reviews", "state": "absent"}
    gone = run(flags, **{key: value for key, value in step.undo.items() if key != "flag"}, allow_decrease=True)
    assert gone.after == {"exists": False, "foreign": False, "audience": None, "evaluated": []}
    assert gone.undo == {"flag": "reviews", "audience": STAFF}
    assert not run(flags, state="absent").needed


def test_undo_that_would_write_another_attribute_is_not_called_reversible(flags: pathlib.Path) -> None:
    run(flags, group_attribute="roles")
    assert not run(flags, allow_decrease=True).reversible


def test_what_is_left_open_in_an_audience_does_not_matter(flags: pathlib.Path) -> None:
    step = run(flags, audience={"everyone": False, "nobody": None, "groups": ["staff"], "users": None, "percentage": None})
    assert step.after["audience"] == STAFF


def test_samples_say_what_users_see(flags: pathlib.Path) -> None:
    step = run(flags, audience={"groups": ["staff"], "users": ["anna"]}, group_attribute="account.roles")
    seen = {sample["who"]: sample["value"] for sample in step.after["evaluated"]}
    assert seen == {"a member of staff": True, "user anna": True, "an outsider": False, "someone unknown": False}
    assert step.after["evaluated"][0]["context"] == {"targetingKey": "surefoot-member", "account": {"roles": ["staff"]}}
    assert {sample["value"] for sample in step.before["evaluated"]} == {None}


def test_a_context_that_would_be_wrong_stops_before_anything_is_written(flags: pathlib.Path) -> None:
    for context, expect in (({"targetingKey": "c", "groups": ["customers"]}, True), ({"targetingKey": "s", "groups": ["staff"]}, False)):
        with pytest.raises(Refused, match="for context 2"):
            run(flags, contexts=[{"context": {"groups": ["staff"]}, "expect": True}, {"context": context, "expect": expect}])
    assert flags.read_text() == OTHERS


def test_a_context_that_hangs_on_a_percentage_is_undecided_where_providers_differ(flags: pathlib.Path) -> None:
    errors = 0
    for number in range(20):
        try:
            run(flags, check_mode=True, audience={"percentage": 50.0}, contexts=[{"context": {"targetingKey": f"u{number}"}, "expect": True}])
        except Refused as error:
            errors += "providers differ" in str(error)
    assert errors


def test_runs_at_the_same_time_lose_no_update(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(OTHERS)
    script = (
        "import sys\n"
        "from ansible.module_utils.common.arg_spec import ArgumentSpecValidator\n"
        "from ansible_collections.surefoot.release.plugins.module_utils.flags import enable\n"
        "from ansible_collections.surefoot.release.plugins.module_utils.flags.options import ARGUMENT_SPEC\n"
        "sys.stdin.read()\n"
        "for number in range(15):\n"
        "    given = dict(path=sys.argv[1], flag='%s-%d' % (sys.argv[2], number), audience=dict(everyone=True))\n"
        "    enable.perform(ArgumentSpecValidator(ARGUMENT_SPEC).validate(given).validated_parameters, check_mode=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path), name], stdin=subprocess.PIPE, env=environment) for name in "abc"]
    for process in processes:
        assert process.stdin
        process.stdin.close()
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    written = json.loads(path.read_text())["flags"]
    assert {f"{name}-{number}" for name in "abc" for number in range(15)} == set(written) - {"zebra", "sale", "rate"}


def test_what_another_run_did_while_ours_waited_is_seen(flags: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = flagfile.locked

    @contextlib.contextmanager
    def late(path: str) -> t.Iterator[None]:
        monkeypatch.setattr(flagfile, "locked", locked)
        run(flags, audience={"everyone": True})
        with locked(path):
            yield

    monkeypatch.setattr(flagfile, "locked", late)
    with pytest.raises(Refused, match="would be closed"):
        run(flags, audience=STAFF)
    assert survey(options(flags))["audience"] == {"everyone": True}


def test_a_lock_that_is_never_given_back_is_an_error_that_names_it(flags: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with (tmp_path / ".flags.json.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=r"Another run still holds.*\.flags\.json\.lock"), flagfile.locked(str(flags), wait=0.1):
            pass


def test_another_writer_in_between_is_noticed(flags: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = flagfile.write

    def overwritten(*arguments: t.Any) -> None:
        write(*arguments)
        flags.write_text(OTHERS)

    monkeypatch.setattr(flagfile, "write", overwritten)
    with pytest.raises(StepFailed, match="reads back other"):
        run(flags)


def test_survey(flags: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert survey(options(tmp_path / "none.json")) == {
        "backend": "flagd",
        "flag": "reviews",
        "audience": None,
        "foreign": False,
        "reason": "there is no such flag yet",
    }
    run(flags)
    before = snapshot(tmp_path)
    assert survey(options(flags)) == {"backend": "flagd", "flag": "reviews", "audience": STAFF, "foreign": False, "reason": "written by surefoot"}
    assert "not a boolean" in survey(options(flags, flag="zebra"))["reason"]
    assert snapshot(tmp_path) == before


def test_a_directory_that_cannot_be_written_is_a_clear_error(flags: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_arguments: t.Any, **_named: t.Any) -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(flagfile, "write_atomically", denied)
    with pytest.raises(SurefootError, match=r"could not be replaced.*Permission denied"):
        run(flags)
