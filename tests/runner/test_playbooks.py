"""ansible-runner at arm's length, with a fake one: events, cancellation, and nothing left behind."""

from __future__ import annotations

import pathlib
import queue
import signal
import sys
import threading
import time
import types
import typing as t

import pytest

import surefoot.ended_child  # noqa: F401  # before its ansible-runner is one of the fakes below
from surefoot import playbooks
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded, RunEvent, TaskStarted, collection_parent, playbook_path, why_none

STATS = {"processed": {"h1": 1}, "failures": {}, "dark": {}, "rescued": {}, "ignored": {}, "ok": {"h1": 3}, "changed": {}, "skipped": {}}


class Runner(types.ModuleType):
    """Stands where the module ansible_runner.interface would; `does` is what a run does with the arguments it gets."""

    def __init__(self, does: t.Callable[..., t.Any]) -> None:
        super().__init__("ansible_runner.interface")
        self.given: dict[str, t.Any] = {}
        self._does = does

    def init_runner(self, **given: t.Any) -> t.Any:
        self.given = given
        assert pathlib.Path(given["private_data_dir"]).is_dir()
        found = types.SimpleNamespace(status="successful", rc=0, stats=STATS, config=types.SimpleNamespace(env={}))
        found.run = lambda: vars(found).update(self._does(given) or {})
        return found


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[t.Callable[..., t.Any]], Runner]:
    def use(does: t.Callable[..., t.Any]) -> Runner:
        fake = Runner(does)
        monkeypatch.setitem(sys.modules, "ansible_runner.interface", fake)
        return fake

    return use


Use = t.Callable[[t.Callable[..., t.Any]], Runner]


def ansible(root: pathlib.Path, **options: t.Any) -> Ansible:
    return Ansible(root=root, inventory=("inventory",), **options)


def marked(given: t.Mapping[str, t.Any], event: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The event as the callback of ansible-runner tells it in this run."""
    return {**event, "job_id": int(given["envvars"]["JOB_ID"])}


def emit(*events: t.Mapping[str, t.Any]) -> t.Callable[..., None]:
    def does(given: dict[str, t.Any]) -> None:
        for event in events:
            assert given["event_handler"](marked(given, event)) is (event["event"] == "playbook_on_stats")

    return does


def test_events_come_as_they_happen_and_the_end_comes_last(runner: Use, tmp_path: pathlib.Path) -> None:
    result = {"event": "runner_on_ok", "event_data": {"host": "h1", "task": "Stage", "role": "install", "res": {"changed": True}}, "stdout": "ok: [h1]"}
    runner(emit({"event": "playbook_on_task_start", "event_data": {"task": "Stage", "role": "install", "play": "Stage"}}, result))
    events = list(ansible(tmp_path).run("release", {}))
    assert events[:-1] == [
        TaskStarted(name="Stage", role="install", play="Stage"),
        Output(text="ok: [h1]"),
        HostAnswered(host="h1", task="Stage", role="install", state="ok", result={"changed": True}),
    ]
    assert events[-1] == RunEnded(status="successful", rc=0, stats=STATS)


@pytest.mark.parametrize(
    ("kind", "data", "state"),
    [
        ("runner_on_ok", {}, "ok"),
        ("runner_on_failed", {}, "failed"),
        ("runner_on_failed", {"ignore_errors": True}, "ok"),
        ("runner_on_unreachable", {}, "unreachable"),
        ("runner_on_skipped", {}, "skipped"),
        ("runner_item_on_failed", {}, "failed"),
        ("runner_item_on_ok", {}, "ok"),
    ],
)
def test_states(kind: str, data: dict[str, t.Any], state: str) -> None:
    (event,) = playbooks._translate({"event": kind, "event_data": {"host": "h1", "task": "x", **data}})
    assert isinstance(event, HostAnswered)
    assert event.state == state


def test_a_loop_answers_by_its_items_and_not_once_more() -> None:
    whole = {"event": "runner_on_failed", "event_data": {"host": "h1", "task": "Ask", "res": {"results": [{"gate": {}}], "msg": "One or more items failed"}}}
    assert list(playbooks._translate(whole)) == []


@pytest.mark.parametrize(
    "event", [{}, {"event": None}, {"event": "runner_on_ok", "event_data": []}, {"event": "runner_on_ok", "event_data": {"res": 3}}, {"event": 7}]
)
def test_an_event_nobody_understands_does_not_break_the_run(event: dict[str, t.Any]) -> None:
    """An exception in the handler would leave ansible-playbook behind as an orphan."""
    assert playbooks._queue({**event, "job_id": 7}, queue.SimpleQueue(), 7) is False


def test_of_all_events_only_the_statistics_are_kept() -> None:
    assert playbooks._queue({"event": "playbook_on_stats", "job_id": 7}, queue.SimpleQueue(), 7) is True
    assert playbooks._queue({"event": "playbook_on_stats", "job_id": 6}, queue.SimpleQueue(), 7) is False
    assert playbooks._queue({"event": "runner_on_ok", "event_data": {"host": "h1"}, "job_id": 7}, queue.SimpleQueue(), 7) is False


@pytest.mark.parametrize("mark", [{}, {"job_id": 6}, {"job_id": None}, {"job_id": "7"}])
def test_an_event_that_a_host_made_up_is_output_and_nothing_else(mark: dict[str, t.Any]) -> None:
    """Events come through the output of ansible-playbook, and so does what hosts say, escapes included."""
    told: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
    forged = {"event": "runner_on_ok", "event_data": {"host": "h2", "task": "x", "res": {"survey": {}}}, "stdout": "ok: [h2]", **mark}
    assert playbooks._queue(forged, told, 7) is False
    assert told.get_nowait() == Output(text="ok: [h2]")
    assert told.empty()


@pytest.mark.parametrize(
    ("key", "module", "others"),
    [
        ("gate", "surefoot.release.gate", ["ansible.builtin.command", "gate", "surefoot.release.migrate", "None"]),
        ("survey", "surefoot.release.release_info", ["ansible.builtin.setup", "release_info", "surefoot.release.gate"]),
        ("step", "surefoot.release.migrate", ["ansible.builtin.command", "surefoot.release.release_info"]),
        ("lock", "surefoot.release.environment_lock", ["surefoot.release.migrate"]),
    ],
)
def test_what_the_work_goes_by_is_believed_of_the_module_that_tells_it_alone(key: str, module: str, others: list[str]) -> None:
    def result(action: str) -> t.Mapping[str, t.Any]:
        event = {"event": "runner_on_ok", "event_data": {"host": "h1", "task": "x", "resolved_action": action, "res": {key: {"a": 1}, "msg": "done"}}}
        (answer,) = playbooks._translate(event)
        assert isinstance(answer, HostAnswered)
        return answer.result

    assert result(module) == {key: {"a": 1}, "msg": "done"}
    assert [result(other) for other in others] == [{"msg": "done"}] * len(others)


def test_a_result_that_is_changed_later_is_not_changed_in_our_event() -> None:
    result: dict[str, t.Any] = {"survey": {"pool": None}}
    told = {"host": "h1", "task": "x", "resolved_action": "surefoot.release.release_info", "res": result}
    (event,) = playbooks._translate({"event": "runner_on_ok", "event_data": told})
    result["survey"]["pool"] = "changed"
    assert isinstance(event, HostAnswered)
    assert event.result == {"survey": {"pool": None}}


def test_the_directory_with_the_environment_is_gone_afterwards(runner: Use, tmp_path: pathlib.Path) -> None:
    fake = runner(emit())
    list(ansible(tmp_path, environment={"DB_PASSWORD": "hunter2"}).run("release", {}))
    assert fake.given["envvars"]["DB_PASSWORD"] == "hunter2"
    assert not pathlib.Path(fake.given["private_data_dir"]).exists()


def test_whatever_ansible_runner_raises_ends_the_run_without_a_verdict(runner: Use, tmp_path: pathlib.Path) -> None:
    def breaks(_given: dict[str, t.Any]) -> None:
        raise RuntimeError("no pty")

    runner(breaks)
    (ended,) = ansible(tmp_path).run("release", {})
    assert ended == RunEnded(status="error (RuntimeError: no pty)", rc=None, stats=None)
    assert not ended.judge(["h1"]).ok


def waits(given: dict[str, t.Any]) -> dict[str, t.Any]:
    deadline = time.monotonic() + 10
    while not given["cancel_callback"]():
        assert time.monotonic() < deadline, "nobody cancelled"
        time.sleep(0.01)
    return {"status": "canceled", "rc": 254, "stats": None}


def test_cancelling_ends_the_run(runner: Use, tmp_path: pathlib.Path) -> None:
    runner(waits)
    cancelled = threading.Event()
    threading.Timer(0.05, cancelled.set).start()
    (ended,) = ansible(tmp_path).run("release", {}, cancelled=cancelled)
    assert isinstance(ended, RunEnded)
    assert ended.status == "canceled"


def test_a_run_that_nobody_listens_to_any_more_is_stopped_and_tidied_up(runner: Use, tmp_path: pathlib.Path) -> None:
    def tells_then_waits(given: dict[str, t.Any]) -> dict[str, t.Any]:
        given["event_handler"]({"event": "verbose", "stdout": "hello"})
        return waits(given)

    fake, cancelled = runner(tells_then_waits), threading.Event()
    run = ansible(tmp_path).run("release", {}, cancelled=cancelled)
    assert next(run) == Output(text="hello")
    t.cast("t.Generator[RunEvent, None, None]", run).close()
    assert not pathlib.Path(fake.given["private_data_dir"]).exists()
    assert not cancelled.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "surefoot release"]


def test_the_end_of_a_run_cancels_nothing_that_comes_after_it(runner: Use, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of a run may live a moment longer than its last event; that moment must not stop the next run."""
    runner(emit())
    original = threading.Thread.is_alive
    monkeypatch.setattr(threading.Thread, "is_alive", lambda self: self.name == "surefoot release" or original(self))
    cancelled = threading.Event()
    list(ansible(tmp_path).run("release", {}, cancelled=cancelled))
    assert not cancelled.is_set()


def test_two_runs_at_once_keep_to_themselves(runner: Use, tmp_path: pathlib.Path) -> None:
    def says_its_playbook(given: dict[str, t.Any]) -> None:
        for number in range(20):
            given["event_handler"]({"event": "verbose", "stdout": f"{given['extravars']['name']} {number}"})

    runner(says_its_playbook)
    one, other = (ansible(tmp_path).run("release", {"name": name}) for name in ("one", "other"))
    pairs = list(zip(one, other, strict=True))
    assert [event.text for event, _ in pairs if isinstance(event, Output)] == [f"one {number}" for number in range(20)]
    assert [event.text for _, event in pairs if isinstance(event, Output)] == [f"other {number}" for number in range(20)]


def test_arguments_reach_ansible_as_they_were_given(runner: Use, tmp_path: pathlib.Path) -> None:
    (tmp_path / "inventory").write_text("")
    fake = runner(emit())
    list(ansible(tmp_path, arguments=("--limit", "h1; rm -rf /", "-e", "a='b c'")).run("release", {"x": "{{ y }}"}, check=True))
    import shlex

    assert shlex.split(fake.given["cmdline"]) == ["--limit", "h1; rm -rf /", "-e", "a='b c'", "--check", "--diff"]
    assert fake.given["inventory"] == [str(tmp_path / "inventory")]
    assert fake.given["project_dir"] == str(tmp_path)


def test_a_host_list_is_an_inventory_too(runner: Use, tmp_path: pathlib.Path) -> None:
    fake = runner(emit())
    list(Ansible(root=tmp_path, inventory=("h1,h2,",)).run("survey", {}))
    assert fake.given["inventory"] == ["h1,h2,"]


def test_our_own_collection_comes_first_and_nothing_is_colored(runner: Use, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", "/srv/collections")
    fake = runner(emit())
    list(ansible(tmp_path).run("survey", {}))
    given = fake.given["envvars"]
    assert given["ANSIBLE_COLLECTIONS_PATH"].split(":")[:2] == [str(collection_parent()), "/srv/collections"]
    assert given["ANSIBLE_NOCOLOR"] == "1"
    assert given["ANSIBLE_INVENTORY_UNPARSED_FAILED"] == "1"


def test_our_playbooks_by_name_and_those_of_a_team_by_path(tmp_path: pathlib.Path) -> None:
    assert playbook_path("release", tmp_path).is_file()
    assert playbook_path("own/release.yml", tmp_path) == tmp_path / "own/release.yml"


def test_a_run_in_the_main_thread_leaves_its_signals_alone(runner: Use, tmp_path: pathlib.Path) -> None:
    def steals(_given: dict[str, t.Any]) -> None:
        with pytest.raises(ValueError, match="main thread"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    runner(steals)
    before = signal.getsignal(signal.SIGINT)
    assert list(ansible(tmp_path).run("release", {}))[-1] == RunEnded(status="successful", rc=0, stats=STATS)
    assert signal.getsignal(signal.SIGINT) is before


SSH = """\
#!/bin/sh
env | grep -E '^SSH_ASKPASS' > "{0}/environment"
echo "$@" > "{0}/arguments"
exit 255
"""


@pytest.fixture
def real(tmp_path: pathlib.Path) -> Ansible:
    """The real ansible, with a host that is this machine."""
    (tmp_path / "hosts.yml").write_text(f"all: {{hosts: {{h1: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n")
    return Ansible(root=tmp_path, inventory=("hosts.yml",))


def test_what_is_wrong_with_an_inventory_is_told(real: Ansible) -> None:
    (real.root / "hosts.yml").write_text("app:\n  hosts:\n    h1: [}\n")
    said = [event.text for event in real.run("survey", {}) if isinstance(event, Output)]
    told = str(why_none(said))
    assert "did not find expected node content" in told
    assert f"{real.root}/hosts.yml:3:10" in told


def test_facts_that_people_cache_are_there(real: Ansible) -> None:
    (real.root / "ansible.cfg").write_text("[defaults]\nfact_caching = ansible.builtin.jsonfile\nfact_caching_connection = facts\n")
    play = "- hosts: all\n  gather_facts: false\n  tasks: [{%s}]\n"
    (real.root / "one.yml").write_text(play % "set_fact: {team_fact: kept, cacheable: true}")
    (real.root / "two.yml").write_text(play % 'debug: {msg: "{{ team_fact }}"}')
    list(real.run("one.yml", {}))
    answers = [event for event in real.run("two.yml", {}) if isinstance(event, HostAnswered)]
    assert [answer.result.get("msg") for answer in answers] == ["kept"]


@pytest.mark.parametrize(("configured", "unchecked"), [("", False), ("[defaults]\nhost_key_checking = false\n", True)])
def test_host_keys_are_checked_as_people_configured_it_and_nobody_is_asked_about_them(real: Ansible, configured: str, unchecked: bool) -> None:
    (real.root / "ansible.cfg").write_text(configured)
    (real.root / "ssh").write_text(SSH.format(real.root))
    (real.root / "ssh").chmod(0o700)
    (real.root / "hosts.yml").write_text(
        f"all: {{hosts: {{h1: {{ansible_connection: ssh, ansible_ssh_executable: {real.root}/ssh, ansible_ssh_retries: 0}}}}}}\n"
    )
    (real.root / "mine.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: [{raw: hostname}]\n")
    list(real.run("mine.yml", {}))
    assert ("StrictHostKeyChecking=no" in (real.root / "arguments").read_text()) is unchecked
    assert "SSH_ASKPASS_REQUIRE=force" in (real.root / "environment").read_text()
