"""What is said of a host that is lost in the middle of a batch."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.surefoot.release.plugins.plugin_utils.unreachable import naming_left_drained

DRAINED = {"step": {"kind": "pool_member", "after": {"state": "drained"}}}
RESTORED = {"step": {"kind": "pool_member", "after": {"state": "in_pool"}}}


def said(variables: t.Mapping[str, t.Any], *, draining: bool = False) -> str:
    """The message of a connection that fails."""
    with pytest.raises(AnsibleConnectionFailure) as error, naming_left_drained({"inventory_hostname": "a1", **variables}, draining=draining):
        raise AnsibleConnectionFailure("Connection timed out")
    return str(error.value)


def test_a_host_that_is_lost_while_it_is_drained_is_named_with_what_to_do() -> None:
    message = said({"restart_drained": DRAINED})
    assert message.startswith("a1 is left drained, so no user is sent there; next: see to it, then run the same command again")
    assert "Connection timed out" in message


def test_a_host_that_is_lost_while_it_is_put_back_is_named_too() -> None:
    assert said({"restart_drained": DRAINED, "restart_restored": {"failed": True}}).startswith("a1 is left drained")


def test_of_a_host_that_is_lost_while_it_is_drained_nobody_knows() -> None:
    assert said({}, draining=True).startswith("a1 was lost while it was taken out of its pool, and may be left drained; next: ")


@pytest.mark.parametrize("variables", [{}, {"restart_drained": {"skipped": True}}, {"restart_drained": DRAINED, "restart_restored": RESTORED}])
def test_nothing_is_said_of_a_host_that_is_in_its_pool(variables: t.Mapping[str, t.Any]) -> None:
    assert said(variables) == "Connection timed out"


def test_nothing_happens_where_nothing_is_lost() -> None:
    with naming_left_drained({"inventory_hostname": "a1", "restart_drained": DRAINED}):
        pass
