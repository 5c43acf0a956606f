# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sees a feature."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

DECIMALS = 3
"""A percentage is told apart to this many decimals."""


@dataclasses.dataclass(frozen=True)
class Audience:
    """Members of any of `groups`, or any of `users`, or `percentage` (0 to 100) of all users; 100 is everyone, and nothing at all is nobody.

    `group_attribute` and `user_attribute` are the names under which an application gives the groups and the user in its evaluation context.
    """

    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    percentage: float = 0.0
    group_attribute: str = "groups"
    user_attribute: str = "targetingKey"

    @property
    def everyone(self) -> bool:
        return self.percentage >= 100

    @property
    def nobody(self) -> bool:
        return not self.groups and not self.users and self.percentage <= 0

    def as_data(self) -> dict[str, t.Any]:
        """The audience as a feature file writes it."""
        if self.everyone:
            return dict(everyone=True)
        if self.nobody:
            return dict(nobody=True)
        data: dict[str, t.Any] = {}
        if self.groups:
            data["groups"] = list(self.groups)
        if self.users:
            data["users"] = list(self.users)
        if self.percentage:
            data["percentage"] = int(self.percentage) if self.percentage == int(self.percentage) else self.percentage
        return data

    def __str__(self) -> str:
        if self.everyone:
            return "everyone"
        if self.nobody:
            return "nobody"
        parts = []
        if self.groups:
            parts.append("group%s %s" % ("s" if len(self.groups) > 1 else "", ", ".join(self.groups)))
        if self.users:
            parts.append("user%s %s" % ("s" if len(self.users) > 1 else "", ", ".join(self.users)))
        if self.percentage:
            parts.append("%g %% of all users" % self.percentage)
        return " and ".join(parts)


NOBODY = Audience()


def parse(data: t.Mapping[str, t.Any] | None, *, group_attribute: str = "groups", user_attribute: str = "targetingKey") -> Audience:
    """The audience that `data`, with the keys of AUDIENCE_SPEC, stands for. Raises InvalidInput for one that contradicts itself or names nobody silently."""
    data = {key: value for key, value in (data or {}).items() if value}
    percentage = data.get("percentage", 0.0)
    if not 0 <= percentage <= 100 or abs(round(percentage, DECIMALS) - percentage) > 1e-9:
        raise InvalidInput("The percentage of an audience must lie between 0 and 100, with at most three decimals", seen=percentage)
    for whole in ("everyone", "nobody"):
        if data.get(whole) and len(data) > 1:
            raise InvalidInput("An audience cannot be %s and something else" % whole, seen=", ".join(sorted(data)), todo="leave one of them out")
    if not data:
        raise InvalidInput("The audience is empty", todo="name groups, users, a percentage or everyone; to show a feature to no one, write nobody: true")
    if (
        not group_attribute
        or not user_attribute
        or (group_attribute + ".").startswith(user_attribute + ".")
        or (user_attribute + ".").startswith(group_attribute + ".")
    ):
        raise InvalidInput(
            "Groups and users need attributes of their own", seen="%s and %s" % (group_attribute, user_attribute), todo="set group_attribute and user_attribute"
        )
    names = [*data.get("groups", []), *data.get("users", [])]
    if not all(isinstance(name, str) and name for name in names):
        raise InvalidInput("A group or user of the audience has no name", seen=names)
    return Audience(
        groups=tuple(sorted(set(data.get("groups", [])))) if percentage < 100 else (),
        users=tuple(sorted(set(data.get("users", [])))) if percentage < 100 else (),
        percentage=100.0 if data.get("everyone") else round(float(percentage), DECIMALS),
        group_attribute=group_attribute,
        user_attribute=user_attribute,
    )


def losses(before: Audience, after: Audience) -> list[str]:
    """Who sees the feature in `before` and might not in `after`, in words; empty when the audience only grows."""
    if after.everyone or before.nobody:
        return []
    if before.everyone:
        return ["everyone but %s" % after]
    kept_groups = set(after.groups) if after.group_attribute == before.group_attribute else set()
    kept_users = set(after.users) if after.user_attribute == before.user_attribute else set()
    lost = ["group %s" % name for name in before.groups if name not in kept_groups]
    lost += ["user %s" % name for name in before.users if name not in kept_users]
    if after.percentage < before.percentage:
        lost.append("all but %g of the %g %% of all users" % (after.percentage, before.percentage))
    return lost
