"""A service with workers: each unit in its order, each healthy before the next."""

from __future__ import annotations

import pytest
from _restart import App, perform, pid_of, run, starts_of, with_defaults

from ansible_collections.surefoot.release.plugins.module_utils.errors import StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.service import options
from ansible_collections.surefoot.release.plugins.module_utils.service.survey import survey


def test_units_are_restarted_in_the_declared_order_and_only_where_stale(app: App) -> None:
    given = app.options(services=[app.worker("mailer"), {"name": "shop"}, app.worker("clock")])
    first = perform(given, check_mode=True)
    assert (first.needed, starts_of(app), (app.root / "pid").exists()) == (True, [], False)
    assert first.after["others"] == {name: {"running": True, "version": "1.0.0", "started_at": None} for name in ("mailer", "clock")}
    assert perform(given).needed
    assert starts_of(app) == ["mailer", "clock"]

    app.release("2.0.0")
    app.activate("2.0.0")
    perform(app.options(services=[app.worker("clock"), {"name": "shop"}]))
    (app.root / "starts").unlink()
    pid = pid_of(app.options())
    step = perform(given)
    assert step.reason.split("; ") == [
        "restart needed: mailer runs 1.0.0, 2.0.0 is live",
        "no restart needed: shop runs 2.0.0, which is live",
        "no restart needed: clock runs 2.0.0, which is live",
    ]
    assert (step.before["version"], step.before["others"]["mailer"]["version"], step.before["others"]["clock"]["version"]) == ("2.0.0", "1.0.0", "2.0.0")
    assert (step.after["others"]["mailer"]["version"], step.after["others"]["clock"]) == ("2.0.0", step.before["others"]["clock"])
    assert (step.impact["unavailable_ms"], starts_of(app), pid_of(app.options())) == (0, ["mailer"], pid)
    again = perform(given)
    assert (again.needed, again.before, starts_of(app)) == (False, again.after, ["mailer"])
    found = survey(with_defaults(options.ARGUMENT_SPEC, given), run)
    assert [(unit["name"], unit["version"], unit["stale"]) for unit in (found, *found["others"])] == [
        ("shop", "2.0.0", False),
        ("mailer", "2.0.0", False),
        ("clock", "2.0.0", False),
    ]


def test_a_worker_that_dies_leaves_those_after_it_alone(app: App) -> None:
    given = app.options(services=[app.worker("mailer"), {"name": "shop"}], member_drained=True)
    perform(given)
    pid = pid_of(app.options())
    app.release("2.0.0", "worker dies")
    app.activate("2.0.0")
    with pytest.raises(StepFailed, match=r"mailer went down and stays down; .*left drained.*; not touched yet: shop"):
        perform(given)
    assert (pid_of(app.options()), app.get("/live")[1]["version"]) == (pid, "1.0.0")
    app.release("2.0.1")
    app.activate("2.0.1")
    assert perform(given).after["others"]["mailer"]["version"] == "2.0.1"


@pytest.mark.parametrize("told_by", ["pid_file", "status"])
def test_a_worker_that_died_while_the_next_unit_was_waited_for_is_found(app: App, told_by: str) -> None:
    """The web server takes the worker down with it, and nobody starts it again."""
    mailer = app.worker("mailer")
    if told_by == "status":
        mailer["commands"]["status"] = ["sh", "-c", f"readlink /proc/$(cat {mailer['commands'].pop('pid_file')})/exe"]
    given = app.options(services=[mailer, {"name": "shop"}])
    start = app.root / "start.py"
    start.write_text(start.read_text() + "import os; os.kill(int((root / 'mailer.pid').read_text()), 9)")
    with pytest.raises(StepFailed, match="mailer went down and stays down"):
        perform(given)


def test_a_unit_that_was_taken_along_is_not_restarted_twice(app: App) -> None:
    """The order to start the first starts the second too, as with PartOf in systemd."""
    clock, mailer = app.worker("clock"), app.worker("mailer")
    given = app.options(services=[mailer, clock, {"name": "shop"}])
    perform(given)
    (app.root / "starts").unlink()
    start = app.root / "start_worker.py"
    start.write_text(
        f"import subprocess, sys; sys.argv[2] == 'mailer' and (subprocess.run({clock['commands']['stop']}), subprocess.run({clock['commands']['start']}))"
        + start.read_text()
    )
    app.release("2.0.0")
    app.activate("2.0.0")
    step = perform(given)
    assert (starts_of(app), step.after["others"]["clock"]["version"]) == (["clock", "mailer"], "2.0.0")
    assert not perform(given).needed
