"""Going back with real directories and a real link, where roles that go by file times and counts go astray: 1.0.0, 2.0.0 and 3.0.0 are there, 3.0.0 is live."""

from __future__ import annotations

import os
import shutil

import _artifacts
import pytest
from _small import Small, a_project_of

from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused
from surefoot import Project

VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
RELEASES = ({"release": "two", "install": {"version": "2.0.0"}}, {"release": "three", "install": {"version": "3.0.0"}})


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Two releases have come after 1.0.0. As few releases are kept as can be, so that whatever may be removed is."""
    root = tmp_path_factory.mktemp("links") / "project"
    facts = {"install_path": f"{root}/live", "install_artifact": f"{root}/dist/app-{{{{ install_version }}}}.tar.gz", "install_keep": 1}
    small = a_project_of(root, "road", RELEASES, **facts)
    (small.root / "dist").mkdir()
    artifacts = [_artifacts.artifact(small.root / "dist", version) for version in VERSIONS]
    (small.root / "live").mkdir()
    _artifacts.install(small.root / "live", "1.0.0", src=artifacts[0].as_uri())
    assert Project.load(small.path).apply("road", everything=True).finish().ok
    shutil.copytree(small.root, root.with_name("as it was"), symlinks=True)
    return small


@pytest.fixture
def project(released: Small) -> Project:
    """The project, as it was after its two releases."""
    shutil.rmtree(released.root)
    shutil.copytree(released.root.with_name("as it was"), released.root, symlinks=True)
    assert _artifacts.found(released.root / "live") == ("3.0.0", list(VERSIONS))
    return Project.load(released.path)


def live(project: Project) -> str:
    """The version that is live; its link leads to a whole release."""
    current = project.root / "live/current"
    version = (current / "VERSION").read_text()
    assert current.resolve() == project.root / "live/releases" / version
    return version


def test_a_second_rollback_goes_back_by_two_and_what_is_live_is_never_removed_on_the_way_forward(project: Project) -> None:
    for version in ("2.0.0", "1.0.0"):
        assert project.rollback("road").finish().ok
        assert live(project) == version
    nothing = project.rollback("road").finish()
    assert (nothing.outcomes, live(project)) == ({}, "1.0.0")
    assert project.apply("road", everything=True).finish().ok
    assert live(project) == "3.0.0"


def test_after_a_link_was_moved_by_hand_a_rollback_is_refused_and_says_what_to_do(project: Project) -> None:
    current = project.root / "live/current"
    current.unlink()
    current.symlink_to("releases/2.0.0")
    before, history = _artifacts.snapshot(project.root / "live", times=True), project.history()
    with pytest.raises(Refused, match="three is not there as it was done, so it is not undone") as refused:
        project.rollback("road").finish()
    assert "here: 2.0.0 is live, but the last receipt says 3.0.0" in str(refused.value.seen)
    assert "next: make 3.0.0 live again" in str(refused.value.seen)
    assert (_artifacts.snapshot(project.root / "live", times=True), project.history()) == (before, history)


def test_times_of_files_decide_nothing(project: Project) -> None:
    releases = project.root / "live/releases"
    now = (releases / "3.0.0").stat().st_mtime + 3600
    for number, version in enumerate(reversed(VERSIONS)):
        os.utime(releases / version, (now + number * 60, now + number * 60))
    os.utime(releases / "3.0.0", (0, 0))
    assert project.rollback("road").finish().ok
    assert live(project) == "2.0.0"
    assert _artifacts.found(project.root / "live")[1][0] == "1.0.0", "the next way back is still there"
