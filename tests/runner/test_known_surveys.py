"""A host is not asked again what it has just answered, and always after anything may have changed."""

from __future__ import annotations

import typing as t

from runner._fakes import World, failing
from runner.conftest import Write
from surefoot.known_surveys import AGE_SECONDS, KnownSurveys

ASKED = {"receipt": "/r.json"}


def given(world: World) -> list[tuple[str, list[str]]]:
    """For each playbook that was run the versions live by the surveys it was given."""
    runs = [(name, variables.get("survey_known", {})) for name, variables in world.runs if name not in {"survey", "lock"}]
    return [(name, [one["survey"]["artifacts"]["live"]["version"] for one in known.values()]) for name, known in runs]


def test_a_release_in_a_run_of_its_own_is_given_the_survey_it_was_planned_by(shop: Write, world: World) -> None:
    world.once["release table"] = failing("h1", "no space")
    project = shop()
    for _try in range(2):
        project.apply("reviews", auto_rollback=False).finish()
    assert given(world)[-1] == ("release", ["1.0.0"] * 3)


def test_the_next_release_is_given_the_survey_of_the_receipts_of_the_one_before(shop: Write, world: World) -> None:
    shop().apply("reviews", everything=True).finish()
    assert given(world) == [("release", []), ("release", ["1.0.0"]), ("release", ["2.0.0"] * 3)]


def test_the_way_back_looks_itself(shop: Write, world: World) -> None:
    world.instead["release api"] = failing("h1", "not healthy", after="install")
    shop().apply("reviews", everything=True).finish()
    assert given(world)[-1] == ("rollback", [])


def test_gates_that_are_asked_again_are_given_nothing(shop: Write, world: World) -> None:
    project = shop()
    project.apply("reviews").finish()
    project.verify("reviews").finish()
    assert given(world)[-1] == ("verify", [])


def test_answers_age() -> None:
    now = 100.0
    known = KnownSurveys(clock=lambda: now)

    def learn() -> None:
        known.learn_all({"h1": {"receipt": None}}, {"h1": ASKED})

    learn()
    now += AGE_SECONDS
    assert known.take() == {"h1": {"survey": {"receipt": None}, "asked": ASKED}}
    assert known.take() == {}
    learn()
    now += AGE_SECONDS
    known.learn("h2", {}, ASKED)
    now += 1
    assert known.take() == {}


def test_an_answer_to_an_unknown_question_is_not_kept() -> None:
    known = KnownSurveys()
    unasked: dict[str, t.Any] = {}
    known.learn_all({"h1": {"receipt": None}}, unasked)
    assert known.take() == {}
