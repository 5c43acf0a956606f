"""Freeze windows: when nothing is released to an environment, in the time of a place on earth and not of a machine.

    freeze:
      - {from: "2026-12-24 00:00", to: "2027-01-02 08:00", zone: Europe/Berlin, because: Christmas}
      - {days: [fri], from: "16:00", zone: Europe/Berlin}        # every Friday to midnight
      - {days: [sat, sun], zone: Europe/Berlin}                  # whole days
      - {days: [mon], from: "22:00", to: "06:00", zone: UTC}     # into Tuesday

A window begins with `from` and ends before `to`. Where a clock change makes one of them happen twice, or not at all, the longer window counts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import typing as t
import zoneinfo

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from surefoot.fields import Line, Model, Some, Text

Day = t.Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_DAYS = t.get_args(Day)
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = rf"20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}} {_TIME}"
_END_OF_DAY = "24:00"
_MOMENT = rf"^({_DATE}|{_TIME}|{_END_OF_DAY})$"
_LONGEST = 1000
"""So many windows that follow on each other have no end that anybody waits for."""


def _moment(value: str) -> str:
    if not re.fullmatch(_MOMENT[1:-1], value):
        raise ValueError('A window is from and to "2026-12-24 16:00", or with days: from and to "16:00"')
    return value


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        if not known:
            raise ValueError("This machine knows no time zones; pip install tzdata") from error
        near = difflib.get_close_matches(value, sorted(known), n=1, cutoff=0.5)
        raise ValueError(f"There is no such time zone; {f'did you mean {near[0]}?' if near else 'write one like Europe/Berlin'}") from error
    return value


Moment = t.Annotated[Text, AfterValidator(_moment), WithJsonSchema({"type": "string", "pattern": _MOMENT, "examples": ["2026-12-24 16:00", "16:00", "24:00"]})]
Zone = t.Annotated[Text, AfterValidator(_zone)]


class Freeze(Model):
    """A window in which nothing is released."""

    days: Some[Day] | None = Field(default=None, description="Every week on these days; without it, once, from and to being dates with times")
    from_: Moment | None = Field(default=None, alias="from", description="When it begins; with days, 00:00 if left out")
    to: Moment | None = Field(default=None, description="When it is over; with days, 24:00 if left out, and one before from is on the next day")
    zone: Zone = Field(description="Whose clock, such as Europe/Berlin")
    because: Line | None = Field(default=None, description="Why")

    @model_validator(mode="after")
    def _sound(self) -> t.Self:
        given = [moment for moment in (self.from_, self.to) if moment is not None]
        if self.days is not None:
            if any(len(moment) > len(_END_OF_DAY) for moment in given) or self.from_ == _END_OF_DAY:
                raise ValueError("A window with days begins and ends at times: from 16:00, to 24:00")
            if self.from_ is not None and self.from_ == self.to:
                raise ValueError("A window that ends when it begins is none; leave both out for the whole day")
            return self
        if len(given) < 2 or any(len(moment) <= len(_END_OF_DAY) for moment in given):
            raise ValueError("A window without days has a date and a time in both from and to")
        begin, end = (_wall(moment) for moment in given)
        if begin >= end:
            raise ValueError("A window ends after it begins")
        return self

    def end(self, moment: dt.datetime) -> dt.datetime | None:
        """When the window that `moment` lies in is over; None outside of it."""
        zone = zoneinfo.ZoneInfo(self.zone)
        ends = [_latest(end, zone) for begin, end in self._windows(moment.astimezone(zone).date()) if _earliest(begin, zone) <= moment < _latest(end, zone)]
        return max(ends, default=None)

    def _windows(self, day: dt.date) -> t.Iterator[tuple[dt.datetime, dt.datetime]]:
        """The windows, on the wall clock of their zone, that may lie around `day`."""
        if self.days is None:
            yield _wall(str(self.from_)), _wall(str(self.to))
            return
        for first in (day - dt.timedelta(days=1), day):
            if _DAYS[first.weekday()] in self.days:
                begin, end = _at(first, self.from_ or "00:00"), _at(first, self.to or _END_OF_DAY)
                yield begin, end if end > begin else end + dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frozen:
    """The window we are in, and when it and all that follow on it are over; None where they never are."""

    freeze: Freeze
    until: dt.datetime | None


def frozen(freezes: t.Sequence[Freeze], now: dt.datetime) -> Frozen | None:
    """The window that `now`, which has a time zone, lies in; None outside of all."""
    found = next((freeze for freeze in freezes if freeze.end(now)), None)
    if found is None:
        return None
    until = now
    for _ in range(_LONGEST):
        ends = [end for freeze in freezes if (end := freeze.end(until))]
        if not ends:
            return Frozen(freeze=found, until=until)
        until = max(ends)
    return Frozen(freeze=found, until=None)


def _wall(moment: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(moment, "%Y-%m-%d %H:%M")  # noqa: DTZ007  # the wall clock of the window's zone, which comes later
    except ValueError as error:
        raise ValueError(f"There is no day {moment[:10]}") from error


def _at(day: dt.date, time: str) -> dt.datetime:
    hour, minute = (int(part) for part in time.split(":"))
    return dt.datetime.combine(day, dt.time()) + dt.timedelta(hours=hour, minutes=minute)


def _earliest(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    return min(_instants(wall, zone))


def _latest(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    return max(_instants(wall, zone))


def _instants(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> list[dt.datetime]:
    """What `wall` may mean: one instant, but two where clocks are set back over it, and two guesses where they are set forward over it."""
    return [wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1)]
