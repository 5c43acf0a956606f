"""What hosts say is data: nothing of it is ever taken for a template or for a variable, on the controller least of all, where those can run any command."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import sqlite3
import sys
import typing as t

import pytest
from _road import ROAD, Shop, a_shop

from ansible_collections.surefoot.release.plugins.module_utils.flags import flagd
from ansible_collections.surefoot.release.plugins.module_utils.flags.audience import Audience
from surefoot.playbooks import Ansible, HostAnswered, Output, RunEnded

TEMPLATE = '{{ lookup("pipe", "touch $OWNED") }}'
"""What would leave a file where OWNED says, if it ever was a template."""


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> t.Iterator[Shop]:
    """A shop of one host."""
    with a_shop(tmp_path / "shop", probe=False) as found:
        found.write("inventory/hosts.yml", {"app": {"hosts": {"h1": {"port": found.hosts[0].port}}}})
        yield found


def surefoot(shop: Shop, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and what was said, by a surefoot that nobody made run a command of theirs."""
    done = shop.surefoot(*arguments, OWNED=str(shop.root / "OWNED"), **environment)
    assert not (shop.root / "OWNED").exists(), f"a host ran a command on the controller in surefoot {arguments[0]}"
    return done.returncode, done.stdout + done.stderr


def test_what_is_told_to_a_playbook_is_no_template_wherever_it_stands(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNED", str(tmp_path / "OWNED"))
    told = {
        "deep": {"h1": TEMPLATE, TEMPLATE: ["0002", "1e5", "yes", None, 1.5, True], "list": [{"groups": [TEMPLATE, "\U0001f600\x85\u2028"]}]},
        "lock_command": TEMPLATE,
        "record_run": "123456789012",
        "release": "{% for x in y %}",
    }
    names = ", ".join(f"'{name}': {name}" for name in told)
    task = {"ansible.builtin.debug": {"msg": f"{{{{ {{{names}}} }}}}"}}
    again = {"ansible.builtin.debug": {"msg": "{{ lock_command ~ deep.list[0].groups[0] ~ lookup('ansible.builtin.vars', 'release') }}"}}
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task, again]}]))
    *events, ended = Ansible(root=tmp_path, inventory=("localhost,",)).run("play.yml", told)
    assert isinstance(ended, RunEnded)
    assert ended.judge(["localhost"]).ok, events
    answers = [event.result["msg"] for event in events if isinstance(event, HostAnswered)]
    assert answers == [told, TEMPLATE * 2 + "{% for x in y %}"]
    assert not (tmp_path / "OWNED").exists()


def test_an_audience_in_the_flag_file_runs_nothing_and_is_no_way_back(shop: Shop) -> None:
    path = shop.hosts[0].root / "flags.json"
    flags = json.loads(path.read_text())
    flags["flags"]["reviews"] = flagd.compose(None, Audience(groups=(TEMPLATE,)))
    path.write_text(json.dumps(flags))
    shop.feature({**ROAD[2], "enable_feature": {"flag": "reviews", "audience": {"everyone": True}}})
    assert surefoot(shop, "apply", "--yes")[0] == 3
    code, said = surefoot(shop, "apply", "--yes", "--no-way-back")
    assert (code, shop.flag(shop.hosts[0])["defaultVariant"]) == (0, "on"), said
    code, said = surefoot(shop, "rollback", "--yes")
    assert (code, shop.flag(shop.hosts[0])["defaultVariant"]) == (6, "on"), said


def test_a_revision_in_the_database_runs_nothing(shop: Shop) -> None:
    with contextlib.closing(sqlite3.connect(shop.database)) as connection, connection:
        connection.execute("UPDATE surefoot_migrations SET id = ?", (TEMPLATE,))
    shop.feature(ROAD[0])
    for command in (["plan"], ["apply", "--yes", "--no-way-back"], ["rollback", "--yes"]):
        surefoot(shop, *command)


def forged(event: t.Mapping[str, t.Any]) -> str:
    """An event as the callback of ansible-runner writes one into the output of ansible-playbook."""
    data = base64.b64encode(json.dumps(event).encode()).decode()
    return f"\x1b[K{data}\x1b[{len(data)}D\x1b[K"


@pytest.mark.parametrize("key", ["msg", "warnings"])
def test_a_host_speaks_for_no_other_host(tmp_path: pathlib.Path, key: str) -> None:
    answer = {"uuid": "1", "event": "runner_on_ok", "event_data": {"host": "h2", "task": "x", "res": {"changed": True}}}
    stats = {"uuid": "2", "event": "playbook_on_stats", "event_data": {"processed": {"h1": 1, "h2": 1}, "ok": {"h1": 1, "h2": 1}}}
    text = f"hello {forged(answer)}{forged({})}{forged(stats)}{forged({})}"
    told = {"failed": True, "msg": text} if key == "msg" else {"msg": "hello", "warnings": [text]}
    (tmp_path / "library").mkdir()
    (tmp_path / "library/lies.py").write_text(f"#!{sys.executable}\nprint({json.dumps(told)!r})\n")
    play = {"hosts": "h1", "gather_facts": False, "connection": "local", "tasks": [{"lies": {}}]}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "vars": {"ansible_python_interpreter": sys.executable}}]))
    *events, ended = Ansible(root=tmp_path, inventory=("h1,h2,",)).run("play.yml", {})
    assert [event.host for event in events if isinstance(event, HostAnswered)] == ["h1"]
    assert "hello" in "".join(event.text for event in events if isinstance(event, Output)), "the host was not heard at all"
    assert isinstance(ended, RunEnded)
    assert not ended.judge(["h1", "h2"]).ok
    assert ended.stats is not None
    assert set(ended.stats["processed"]) == {"h1"}


ALSO_FACTS = f"""#!{sys.executable}
import json, os, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE)
try:
    told = json.loads(done.stdout)
    told["ansible_facts"] = dict(restart_pool_backend="command", restart_pool_commands=dict.fromkeys(("drain", "restore"), ["touch", os.environ["OWNED"]]))
    sys.stdout.write(json.dumps(told))
except (ValueError, TypeError):
    sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


def test_a_host_that_answers_with_facts_sets_no_variable(shop: Shop) -> None:
    """Ansible would let them win over the inventory, where it says what is run and on which machine, the controller among them."""
    interpreter = shop.root / "python"
    interpreter.write_text(ALSO_FACTS)
    interpreter.chmod(0o755)
    shop.set(ansible_python_interpreter=str(interpreter))
    shop.feature(*ROAD[:3])
    code, said = surefoot(shop, "apply", "--all", "--yes", ANSIBLE_INJECT_FACT_VARS="true")
    assert code == 0, said
