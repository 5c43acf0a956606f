"""Signals while the command works: it cancels, says so, and leaves the handlers as they were."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest

from runner._fakes import World
from runner.conftest import Command
from surefoot.playbooks import RunEvent

HANDLERS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}


def signals(number: signal.Signals, *, times: int = 1) -> t.Callable[[World, dict[str, t.Any]], t.Iterator[RunEvent]]:
    def happens(world: World, variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        for event in world.released(variables):
            for _ in range(times):
                os.kill(os.getpid(), number)
            yield event

    return happens


@pytest.fixture(autouse=True)
def signals_not_ignored() -> t.Iterator[None]:
    """Tests started in the background of a script inherit an ignored SIGINT."""
    before = {number: signal.signal(number, handler) for number, handler in HANDLERS.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_hang_up_that_nohup_had_ignored_cancels_nothing(command: Command, world: World) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    world.instead["release"] = signals(signal.SIGHUP)
    assert command("apply", "--yes").code == 0


@pytest.mark.parametrize("number", HANDLERS)
def test_a_signal_cancels_and_is_3(command: Command, world: World, number: signal.Signals) -> None:
    world.instead["release"] = signals(number)
    before = signal.getsignal(number)
    done = command("apply", "--all", "--yes", "--json")
    assert done.code == 3
    assert "Cancelling" in done.err
    assert done.document["result"]["table"]["state"] == "cancelled"
    assert signal.getsignal(number) is before
    world.instead.clear()
    assert command("apply", "--all", "--yes").code == 0


def test_the_second_ctrl_c_does_what_it_does_elsewhere(command: Command, world: World) -> None:
    world.instead["release"] = signals(signal.SIGINT, times=2)
    done = command("apply", "--yes")
    assert done.code == 3
    assert "Aborted" in done.err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_hosts_are_surveyed_is_3_and_nothing_was_begun(command: Command, world: World) -> None:
    def interrupted(world: World, _variables: dict[str, t.Any]) -> t.Iterator[RunEvent]:
        os.kill(os.getpid(), signal.SIGINT)
        yield from world.surveyed()

    world.instead["survey"] = interrupted
    done = command("apply", "--yes")
    assert done.code == 3
    assert "nothing was begun" in done.err
    assert command("history", "--json").document["entries"] == []


def test_json_of_what_is_aborted_is_a_document_too(command: Command, world: World) -> None:
    world.instead["release"] = signals(signal.SIGINT, times=2)
    done = command("apply", "--yes", "--json")
    assert done.document["exit"] == done.code == 3
    assert "Aborted" in done.document["error"]["message"]
