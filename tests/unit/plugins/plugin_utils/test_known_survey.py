from __future__ import annotations

from ansible_collections.surefoot.release.plugins.plugin_utils.known_survey import asked_of, known_survey, masked

SURVEY = {"receipt": {}, "artifacts": {"live": None}, "flag": {"audience": None}, "cache": None}
KNOWN = {"survey": SURVEY, "asked": {"receipt": "/r", "install": {"path": "/srv"}, "enable_feature": {"flag": "reviews"}}}


def test_what_was_asked_in_the_same_way_is_answered_and_nothing_else_is() -> None:
    assert known_survey(KNOWN, {"receipt": "/r", "install": {"path": "/srv"}}) == {**SURVEY, "flag": None}
    assert known_survey(KNOWN, KNOWN["asked"]) == SURVEY


def test_another_question_is_not_answered() -> None:
    assert known_survey(KNOWN, {"receipt": "/r", "install": {"path": "/opt"}}) is None
    assert known_survey(KNOWN, {"receipt": "/r", "flush_cache": {"prefix": "page:"}}) is None
    assert known_survey(KNOWN, {"receipt": "/elsewhere"}) is None
    assert known_survey(None, {"receipt": "/r"}) is None


def test_secrets_are_not_part_of_a_question() -> None:
    options = {"receipt": "/r", "migrate": {"to": "0002"}, "secrets": '{"migrate": {"url": "postgresql://u:p@db/shop"}}', "install": None, "app": "shop"}
    assert asked_of(options) == {"receipt": "/r", "migrate": {"to": "0002"}}


def test_a_secret_in_an_option_that_is_none_is_blanked() -> None:
    asked = {"restart": {"health_headers": {"Authorization": "Bearer s3cret"}, "health_url": "http://u:pass@h/?t=s3cret", "ports": [1, "s3cret"]}}
    found = masked(asked, {"s3cret", "pass"})
    assert found == {"restart": {"health_headers": {"Authorization": "Bearer …"}, "health_url": "http://u:…@h/?t=…", "ports": [1, "…"]}}
