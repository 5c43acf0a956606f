"""What people are told of steps at work."""

from __future__ import annotations

from ansible_collections.surefoot.release.plugins.plugin_utils.at_work import refusals, told, waited_for
from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken

RESTART = {"kind": "restart", "what": "shop.service", "pid": 123, "user": 0, "since": 1700000000.0, "seconds": 12.4}
HIDDEN = {"kind": "install", "what": "2.0.0", "pid": None, "user": None, "since": None, "seconds": None}


def test_each_step_is_told_with_host_process_and_for_how_long() -> None:
    assert told({"app1": [], "app2": [RESTART, HIDDEN]}) == [
        "app2: restart (shop.service), process 123 of user 0, at work for 12 s",
        "app2: install (2.0.0), a process that is not to be seen",
    ]


def test_what_is_waited_for_is_one_line() -> None:
    assert waited_for("app2", [RESTART, HIDDEN]) == (
        "waiting for restart (shop.service) on app2, process 123 of user 0, at work for 12 s; install (2.0.0) on app2, a process that is not to be seen"
    )


def test_each_is_a_refusal_that_says_what_to_do() -> None:
    (refusal,) = refusals({"app1": [], "app2": [RESTART]})
    assert spoken(refusal) == (
        "app2: restart (shop.service) is at work here; found: process 123 of user 0, at work for 12 s; "
        "next: let it end, or end it there where nobody waits for it any more, then run the same command again"
    )
