"""A plan as people read it before they say yes."""

from __future__ import annotations

import typing as t

from ansible_collections.surefoot.release.plugins.plugin_utils.contract import spoken as spoken_refusal
from ansible_collections.surefoot.release.plugins.plugin_utils.plan import HostStep, Plan, PlannedStep
from ansible_collections.surefoot.release.plugins.plugin_utils.release import Impact
from ansible_collections.surefoot.release.plugins.plugin_utils.units import spoken
from surefoot.planning import FeaturePlan, Took
from surefoot.report.console import SafeConsole

_MARKS = {True: ("+", "green"), False: ("·", "dim"), None: ("?", "yellow")}


def show_plan(console: SafeConsole, plan: FeaturePlan, *, probes: t.Sequence[str]) -> None:
    """Write where the feature stands, what its next release would do on which host and why, what users would notice, and the way back."""
    console.say((f"{plan.feature} in {plan.environment}", "bold"))
    for one in plan.progress.releases:
        mark, style = {"done": ("✓", "green"), "unfinished": ("…", "yellow"), "failed": ("✗", "red"), "behind": ("…", "yellow")}.get(one.state, ("·", "dim"))
        following = plan.progress.next is one
        console.say((f"  {mark} {one.release.name}", "bold" if following else style), f"   {one.release.why}", ("   next" if following else "", "bold"))
    if plan.plans:
        _next(console, plan.plans[0], probes, plan.took)
    elif not plan.refusals:
        console.say("Nothing to do: every release is verified")
        return
    back = plan.back
    if back is not None:
        told = "undoes " + ", ".join(back.release.steps) if back.release else f"none: {'; '.join(back.obstacles)}"
        console.say(("  way back        ", "dim"), "; ".join([told, *back.unknown]))
    if plan.irrevocable:
        console.say("  … it waits for somebody to accept that, with surefoot apply --no-way-back", style="yellow")
    for refusal in plan.refusals:
        console.say(f"  ✗ {spoken_refusal(refusal)}", style="red")
    for objection in (*plan.ruling.refusals, *plan.ruling.waits_for):
        console.say(f"  … {spoken_refusal(objection)}", style="yellow")
    if plan.refusals:
        console.say("Refused as long as this is so; nothing would be changed", style="red")
    elif not plan.ruling.ok:
        console.say("Not begun as long as this is so; the plan itself holds", style="yellow")
    else:
        console.say(f"Next: surefoot apply {plan.feature} --environment {plan.environment}", style="dim")


def _next(console: SafeConsole, plan: Plan, probes: t.Sequence[str], took: t.Mapping[str, Took]) -> None:
    console.print()
    console.say((plan.release.name, "bold"), f"   {plan.release.why}")
    if plan.release.playbook:
        console.say(f"  runs the playbook {plan.release.playbook}")
    for step in plan.steps:
        for host, hosts in _together(step):
            mark, style = _MARKS[host.needed]
            console.say((f"  {mark} {step.kind:<15} ", style), f"{', '.join(hosts)}: {host.reason}")
        if last := took.get(step.kind):
            console.say(f"    last took {spoken(last.seconds)}, release {last.release} on {last.at[:10]}", style="dim")
    if plan.release.ramp:
        console.say(f"    opens by {', '.join(f'{share:g}%' for share in plan.release.ramp)}", style="dim")
    if plan.release.soak:
        console.say(f"    soaks for {spoken(plan.release.soak)}", style="dim")
    measured = f"measured by {', '.join(probes)}" if probes else "not measured, since surefoot.yml has no probes"
    console.say(("  users notice    ", "dim"), f"{_noticed(plan.release.impact)} ({measured})")


def _together(step: PlannedStep) -> list[tuple[HostStep, list[str]]]:
    """Hosts of which the same is to be said."""
    groups: dict[tuple[bool | None, str], tuple[HostStep, list[str]]] = {}
    for host in step.hosts:
        groups.setdefault((host.needed, host.reason), (host, []))[1].append(host.host)
    return list(groups.values())


def _noticed(impact: Impact) -> str:
    parts = [f"{spoken(impact.downtime)} of downtime" if impact.downtime else "", f"{impact.errors:.3%} of requests failing" if impact.errors else ""]
    parts += [f"{impact.slower:.0%} slower answers" if impact.slower else ""]
    told = ", ".join(part for part in parts if part) or "nothing"
    return f"{told}, because {impact.because}" if impact.because else told
