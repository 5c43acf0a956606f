"""What hosts answered a moment ago, so that a release does not ask them again what nobody can have changed since."""

from __future__ import annotations

import dataclasses
import time
import typing as t

AGE_SECONDS = 60.0
"""For how long an answer stands. The lock keeps other controllers away, but not a person at a host."""


@dataclasses.dataclass(kw_only=True)
class KnownSurveys:
    """Surveys by host, each with what was asked for it. Taken once, since the run that gets them is about to change the hosts."""

    clock: t.Callable[[], float] = time.monotonic
    _known: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    _oldest: float = 0.0

    def learn(self, host: str, survey: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any] | None) -> None:
        """Keep what `host` has just answered; nothing where it is not known what it was asked."""
        if asked:
            self._oldest = self._oldest if self._known else self.clock()
            self._known[host] = {"survey": survey, "asked": asked}

    def learn_all(self, surveys: t.Mapping[str, t.Mapping[str, t.Any]], asked: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
        """Keep a whole survey in place of what is known."""
        self._known = {}
        for host, survey in surveys.items():
            self.learn(host, survey, asked.get(host))

    def take(self) -> dict[str, dict[str, t.Any]]:
        """The surveys by host, `{survey, asked}` each; they are forgotten here. None of them when the oldest has aged."""
        known, self._known = self._known, {}
        return known if self.clock() - self._oldest <= AGE_SECONDS else {}
