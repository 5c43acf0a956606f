"""A command line as others may read it holds no values of variables."""

from __future__ import annotations

import pytest

from ansible_collections.surefoot.release.plugins.plugin_utils.command_line import without_values


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["/usr/bin/ansible-playbook", "release.yml", "-e", "password=hunter2", "--limit", "a b"], "ansible-playbook release.yml -e … --limit 'a b'"),
        (["surefoot", "apply", "reviews", "--extra-vars", "p=hunter2"], "surefoot apply reviews --extra-vars …"),
        (["surefoot", "apply", "--extra-vars=p=hunter2", "-ep=hunter2", "-E", "production"], "surefoot apply --extra-vars=… -e… -E production"),
        (["ansible", "all", "-m", "x", "-a", '{"p": "hunter2"}'], "ansible all -m x -a …"),
        (["x", "-e", "-e", "y"], "x -e … y"),
        ([], ""),
    ],
)
def test_values_of_variables_are_not_told(argv: list[str], told: str) -> None:
    assert without_values(argv) == told
    assert "hunter2" not in without_values(argv)
