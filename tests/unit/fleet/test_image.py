"""The digest by which the host image and the hosts' wheels are found again."""

from __future__ import annotations

import pathlib

import pytest
from tests.fleet import image, wheels


@pytest.fixture
def recipe(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "packages.txt").write_text("haproxy\n")
    (tmp_path / "setup").write_text("#!/bin/sh\n")
    return tmp_path


def test_the_same_recipe_has_the_same_digest_wherever_it_lies(recipe: pathlib.Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for file in recipe.iterdir():
        (elsewhere / file.name).write_bytes(file.read_bytes())
    assert image.digest(recipe) == image.digest(elsewhere)


def test_every_change_to_the_recipe_changes_the_digest(recipe: pathlib.Path):
    seen = {image.digest(recipe)}
    (recipe / "setup").chmod(0o755)
    seen.add(image.digest(recipe))
    (recipe / "packages.txt").write_text("haproxy\nredis\n")
    seen.add(image.digest(recipe))
    (recipe / "packages.txt").rename(recipe / "packages")
    seen.add(image.digest(recipe))
    assert len(seen) == 4


def test_text_moved_from_one_file_to_the_next_changes_the_digest(recipe: pathlib.Path):
    (recipe / "packages.txt").write_text("a")
    (recipe / "setup").write_text("b")
    before = image.digest(recipe)
    (recipe / "packages.txt").write_text("")
    (recipe / "setup").write_text("ab")
    assert image.digest(recipe) != before


def test_the_recipe_of_the_project_names_no_mirror():
    text = "".join(file.read_text() for file in image.RECIPE.iterdir())
    assert "http://" not in text
    assert "https://" not in text


def test_wheels_are_downloaded_again_only_for_other_requirements(tmp_path: pathlib.Path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("flask\n")
    directory = tmp_path / "wheels"
    directory.mkdir()
    (directory / wheels.MARK).write_text(wheels.digest(["flask\n"]))
    wheels.ensure(directory, [requirements], pytest.fail)
    assert wheels.digest(["flask\n"]) != wheels.digest(["flask\n", ""])
