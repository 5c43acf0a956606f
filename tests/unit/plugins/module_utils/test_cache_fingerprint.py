"""The fingerprint follows the shapes and nothing else."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.surefoot.release.plugins.module_utils.cache.fingerprint import fingerprint
from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput, Refused


@pytest.fixture
def release(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "one"
    (root / "templates" / "deep").mkdir(parents=True)
    (root / "serializers.py").write_text("fields = ['title']")
    (root / "templates" / "page.html").write_text("<h1>")
    (root / "templates" / "deep" / "part.html").write_text("<p>")
    (root / "unrelated.py").write_text("1")
    return root


def copy(root: pathlib.Path, name: str) -> pathlib.Path:
    other = root.parent / name
    for path in root.rglob("*"):
        if path.is_file():
            target = other / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            os.utime(target, (1, 1))
    return other


def test_neither_path_nor_times_nor_other_files_nor_order_count(release: pathlib.Path) -> None:
    other = copy(release, "two")
    (other / "unrelated.py").write_text("2")
    assert fingerprint(str(release), ["serializers.py", "templates"]) == fingerprint(str(other), ["templates", "serializers.py", "templates/*"])


@pytest.mark.parametrize("pattern", ["templates", "templates/", "templates/**", "templates/**/*", "t*"])
def test_all_ways_to_name_a_directory_mean_the_files_below_it(release: pathlib.Path, pattern: str) -> None:
    assert fingerprint(str(release), [pattern]) == fingerprint(str(release), ["templates/page.html", "templates/deep/part.html"])


def test_content_name_and_version_count(release: pathlib.Path) -> None:
    seen = {fingerprint(str(release), ["templates"]), fingerprint(str(release), ["templates"], "2"), fingerprint(None, [], "2")}
    (release / "templates" / "page.html").rename(release / "templates" / "side.html")
    seen.add(fingerprint(str(release), ["templates"]))
    (release / "templates" / "side.html").write_text("<h2>")
    seen.add(fingerprint(str(release), ["templates"]))
    assert len(seen) == 5


def test_content_that_moves_over_a_boundary_counts(tmp_path: pathlib.Path) -> None:
    for name, first, second in (("a", "xy", "z"), ("b", "x", "yz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1").write_text(first)
        (tmp_path / name / "2").write_text(second)
    assert fingerprint(str(tmp_path / "a"), ["*"]) != fingerprint(str(tmp_path / "b"), ["*"])


def test_text_that_moves_between_version_and_name_counts(tmp_path: pathlib.Path) -> None:
    for directory, name in (("a", "1"), ("b", "01")):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / name).write_text("x")
    assert fingerprint(str(tmp_path / "a"), ["*"], "10") != fingerprint(str(tmp_path / "b"), ["*"], "1")


def test_bytecode_does_not_count(release: pathlib.Path) -> None:
    before = fingerprint(str(release), ["templates"])
    (release / "templates" / "__pycache__").mkdir()
    (release / "templates" / "__pycache__" / "x.pyc").write_bytes(b"time of day")
    assert fingerprint(str(release), ["templates"]) == before


def test_the_live_link_may_be_the_root(release: pathlib.Path) -> None:
    link = release.parent / "current"
    link.symlink_to("one")
    assert fingerprint(str(link), ["templates"]) == fingerprint(str(release), ["templates"])


@pytest.mark.parametrize("pattern", ["/etc/*", "../two/*", "templates/../../*", "", "."])
def test_a_glob_that_is_none_or_leaves_the_root_is_invalid(release: pathlib.Path, pattern: str) -> None:
    with pytest.raises(InvalidInput):
        fingerprint(str(release), [pattern])


def test_shapes_that_match_nothing_are_refused_and_named(release: pathlib.Path) -> None:
    with pytest.raises(Refused, match=r"templates/\*\.htm "):
        fingerprint(str(release), ["templates/*.htm"])


def test_a_host_without_the_release_is_refused_with_a_way_out(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refused, match="declare version instead"):
        fingerprint(str(tmp_path / "none"), ["*"])


def test_nothing_declared_is_invalid() -> None:
    with pytest.raises(InvalidInput, match="set shapes"):
        fingerprint("/", [])


def test_shapes_without_a_root_are_invalid() -> None:
    with pytest.raises(InvalidInput, match="set root"):
        fingerprint(None, ["*"])
