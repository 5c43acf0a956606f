"""Tables for survey, status and history."""

from __future__ import annotations

import datetime
import typing as t

from rich.table import Table
from rich.text import Text

from surefoot.report.console import in_one_line

if t.TYPE_CHECKING:
    from surefoot.ledger import Entry
    from surefoot.planning import FeaturePlan, Surveyed


def survey_table(surveyed: Surveyed) -> Table:
    """One row a host: what is live, what runs, and what the receipt says."""
    table = _table("host", "live", "runs", "staged", "pool", "database", "flag", "last receipt")
    for host, survey in sorted(surveyed.surveys.items()):
        artifacts = survey.get("artifacts") or {}
        live = (artifacts.get("live") or {}).get("version")
        staged = ", ".join(artifact["version"] for artifact in artifacts.get("staged", ()) if artifact["version"] != live)
        receipts = (survey.get("receipt") or {}).get("releases") or []
        last = f"{receipts[-1]['release']} {receipts[-1]['outcome'].replace('_', ' ')}" if receipts else None
        row = [host, artifacts.get("problem") or live, _runs(survey), staged, (survey.get("pool") or {}).get("state"), _database(survey), _flag(survey), last]
        table.add_row(*(in_one_line(str(cell)) if cell else Text("–", style="dim") for cell in row))
    return table


def survey_remarks(planned: FeaturePlan) -> t.Iterator[Text]:
    """What is to be said below the table: where ledger, receipts and hosts disagree, what to do about it, and which hosts are behind."""
    from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken  # late, since status does without it

    for disagreement in planned.disagreements:
        yield in_one_line(f"✗ {spoken(disagreement)}", style="red")
    for host, releases in planned.behind.items():
        yield in_one_line(f"… {host} is behind, it has no receipt of {', '.join(releases)}", style="yellow")


def status_table(features: t.Sequence[t.Mapping[str, t.Any]]) -> Table:
    """One row a release, one column an environment."""
    environments = list(dict.fromkeys(name for feature in features for release in feature["releases"] for name in release["environments"]))
    table = _table("feature", "release", *environments)
    for feature in features:
        for position, release in enumerate(feature["releases"]):
            table.add_row(
                Text(feature["feature"] if position == 0 else ""),
                Text(release["release"]),
                *(_standing(release["environments"][name]) for name in environments),
                end_section=position == len(feature["releases"]) - 1,
            )
    return table


def history_table(entries: t.Sequence[Entry]) -> Table:
    """One row an entry."""
    table = _table("#", "when", "environment", "feature", "release", "what", "by", "")
    for entry in entries:
        when = datetime.datetime.fromisoformat(entry.at).strftime("%Y-%m-%d %H:%M:%S")
        cells = [str(entry.seq), when, entry.environment, entry.feature, entry.release, entry.kind.replace("_", " "), entry.by, _remark(entry)]
        table.add_row(*(in_one_line(cell or "") for cell in cells))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return table


def _runs(survey: t.Mapping[str, t.Any]) -> str | None:
    """What the service runs; of the units that go with it only those that do not run what is live."""
    service = survey.get("service") or {}
    others = [f"{unit['name']} {_runs_one(unit)}" for unit in service.get("others", ()) if unit["stale"] or not unit["running"]]
    return "; ".join([_runs_one(service), *others]) if service else None


def _runs_one(unit: t.Mapping[str, t.Any]) -> str:
    return f"{unit.get('version') or '?'}{', stale' if unit.get('stale') else ''}" if unit.get("running") else "stopped"


def _database(survey: t.Mapping[str, t.Any]) -> str | None:
    found = survey.get("migrations") or {}
    return ", ".join(found.get("current") or ("empty",)) if found.get("readable") else None


def _flag(survey: t.Mapping[str, t.Any]) -> str | None:
    flag = survey.get("flag") or {}
    audience = flag.get("audience")
    if not flag or audience is None:
        return None
    told = [
        str(key) if value is True else f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in audience.items() if value
    ]
    return "; ".join(told) or "nobody"


def _standing(standing: t.Mapping[str, t.Any]) -> Text:
    state = standing["state"]
    style = {"verified": "green", "failed": "red", "rolled_back": "yellow", "none": "dim"}.get(state, "yellow")
    when = f" {standing['since'][:16].replace('T', ' ')}" if standing["since"] else ""
    return Text("–" if state == "none" else f"{state.replace('_', ' ')}{when}", style=style)


def _remark(entry: Entry) -> str:
    reasons = entry.payload.get("reasons") or []
    impact = [f"{one['probe']}: {one['verdict']}" for one in entry.payload.get("impact") or []]
    return "; ".join([*map(str, reasons), *impact])
