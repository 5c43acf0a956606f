# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module receipt takes and does."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import time
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils import receipt as receipts
from ansible_collections.surefoot.release.plugins.module_utils.at_work import marked
from ansible_collections.surefoot.release.plugins.module_utils.errors import SurefootError, describe
from ansible_collections.surefoot.release.plugins.module_utils.step import Step, result
from ansible_collections.surefoot.release.plugins.module_utils.survey import take
from ansible_collections.surefoot.release.plugins.module_utils.survey_options import ARGUMENT_SPEC, checked, secret_values
from ansible_collections.surefoot.release.plugins.module_utils.undeclared import Survey, live_version, undeclared

if t.TYPE_CHECKING:
    from ansible_collections.surefoot.release.plugins.module_utils.module import Module
    from ansible_collections.surefoot.release.plugins.module_utils.survey_options import Validate


_OUTCOMES = ["verified", "rolled_back", "adopted"]


SURVEYS = True

SIGNATURE: dict[str, t.Any] = dict(
    argument_spec=dict(
        ARGUMENT_SPEC,
        receipt=dict(type="path", required=True),
        app=dict(type="str", required=True),
        environment=dict(type="str", default=""),
        feature=dict(type="str", required=True),
        release=dict(type="str", required=True),
        digest=dict(type="str", required=True),
        outcome=dict(type="str", choices=_OUTCOMES, default="verified"),
        also=dict(
            type="list",
            elements="dict",
            default=[],
            options=dict(
                release=dict(type="str", required=True), digest=dict(type="str", required=True), outcome=dict(type="str", choices=_OUTCOMES, required=True)
            ),
        ),
        run=dict(type="str", default=""),
        before=dict(type="dict"),
        live_before=dict(type="str"),
        declared=dict(type="list", elements="str", default=[]),
        scope=dict(type="dict"),
    ),
)


def run(module: Module, validate: Validate) -> None:
    started = time.monotonic()
    try:
        module.no_log_values.update(secret_values(module.params))
        with contextlib.nullcontext() if module.check_mode else marked("receipt", module.params, "release"):
            survey = take(checked(module.params, validate), module.run_command)
            _refuse_undeclared(module, survey)
            step, receipt = _entered(module.params, survey)
            if step.needed and not module.check_mode:
                receipts.write(module.params["receipt"], receipt)
    except SurefootError as error:
        module.fail_json(msg=str(error), error=describe(error))
    step = dataclasses.replace(step, duration_ms=int((time.monotonic() - started) * 1000))
    module.exit_json(**result(step, survey=dict(survey, receipt=receipt)))


def _refuse_undeclared(module: Module, survey: Survey) -> None:
    found = undeclared(module.params["before"] or {}, survey, module.params["declared"]) if module.params["before"] else []
    if found:
        module.fail_json(
            msg="Something changed that release %s does not declare; found: %s; next: declare the step, or find out who did it"
            % (module.params["release"], "; ".join("%(kind)s: %(reason)s" % change for change in found)),
            undeclared=found,
            survey=survey,
        )


def _entered(params: t.Mapping[str, t.Any], survey: Survey) -> tuple[Step, dict[str, t.Any]]:
    """The step, and the receipt it leaves."""
    old = survey["receipt"]
    live = live_version(survey) or (old or {}).get("live_version")
    at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    identity = dict(app=params["app"], environment=params["environment"])
    live_before = params["live_before"] or live_version(params["before"] or {})

    def entered(receipt: t.Mapping[str, t.Any] | None, told: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        entry = dict({key: told[key] for key in ("release", "digest", "outcome")}, feature=params["feature"], run=params["run"], at=at)
        return receipts.with_entry(receipt, identity, entry, live=live, live_before=live_before)

    also = [told for told in params["also"] if told["outcome"] != "rolled_back" or _was_there(old, params["feature"], told["release"])]
    new = entered(functools.reduce(entered, also, old), params)
    needed = new != old
    reason = "%s is %s here" % (params["release"], params["outcome"].replace("_", " ")) if needed else "%s is in the receipt already" % params["release"]
    return Step(kind="receipt", needed=needed, reason=reason, before=_told(old), after=_told(new)), new


def _was_there(receipt: t.Mapping[str, t.Any] | None, feature: str, release: str) -> bool:
    last = [entry["outcome"] for entry in (receipt or {}).get("releases", ()) if (entry["feature"], entry["release"]) == (feature, release)]
    return bool(last) and last[-1] != "rolled_back"


def _told(receipt: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    if receipt is None:
        return {}
    last = dict(receipt["releases"][-1]) if receipt["releases"] else None
    return dict(live_version=receipt["live_version"], verified_versions=receipt["verified_versions"], last=last)
