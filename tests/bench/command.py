"""The command script/bench."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import signal
import subprocess
import sys
import tempfile
import typing as t

from tests.bench import instant, project
from tests.bench.contests import CONTESTS, Contest, Ground
from tests.bench.errors import BenchError
from tests.bench.runs import ROOT, Bench, Measured, tell_machine, write_json
from tests.bench.statistics import interleaved, ratio, summarize
from tests.fleet import spec
from tests.fleet.errors import FleetError, NotPossible
from tests.fleet.hosts import Fleet

DESCRIPTION = "Measure surefoot beside ping, pyinfra, plain Ansible, Ansistrano and itself without the runner, on one fleet of real hosts in one run"
EPILOG = """
The sides of a contest take turns (A B B A A B …); a ratio is that of their medians, with the lowest and highest of a single round behind it.
cpu is what the processes of this machine and all hosts used together, trips is how often ssh was called: both depend less on what else goes on here.

contests:
  survey   a survey of the fleet / ansible all -m ping                              at most 1.5
  deploy   1.2 MB staged and activated / pyinfra, plain tasks, Ansistrano           at most 3, –, 1/8
  runner   a release by surefoot apply / the same by ansible-playbook alone         at most 1.15
  roll     one host, then quarters / stop, start and first good answer of each      at most 1.25
  path     a plan on a path of 200 releases done / a survey                         at most 1.5
  instant  surefoot --help, and status over 10 000 ledger entries; needs no fleet   at most 0.3 s

example:
  script/bench --hosts 10,40 --ansistrano ../ansistrano --json bench.json

exit codes: 0 all marks met, 1 a mark missed or not measured, 3 this machine cannot hold a fleet
"""
NAMES = (*CONTESTS, "instant")


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the command and give its exit code."""
    options = _parser().parse_args(arguments)
    # Stopped by a signal, the fleet is still taken down
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _measure(options)
    except NotPossible as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    except (BenchError, FleetError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("script/bench", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="10,40", metavar="COUNT,…", help="how many hosts, one fleet after the other (default: 10,40)")
    parser.add_argument("--runs", type=int, default=3, metavar="COUNT", help="how often each side runs (default: 3)")
    parser.add_argument("--only", default=",".join(NAMES), metavar="CONTEST,…", help="measure only these contests")
    parser.add_argument("--ansistrano", type=pathlib.Path, metavar="PATH", help="a checkout of Ansistrano's deploy role; left out without it")
    parser.add_argument("--start", type=float, default=4, metavar="SECONDS", help="how long the service of the contest roll takes to answer (default: 4)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write every measurement there")
    return parser


def _measure(options: argparse.Namespace) -> int:
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(NAMES):
        raise BenchError(f"No contest {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    machine = tell_machine()
    results: list[dict[str, t.Any]] = []
    print(f"{machine['processors']} processors, {machine['memory_gib']} GiB, load {machine['load'][0]}, {machine['ansible']}")
    try:
        if "instant" in chosen:
            results += _instant(options.runs)
        fleets = [int(count) for count in options.hosts.split(",")] if set(chosen) & set(CONTESTS) else []
        for count in fleets:
            for result in _on_fleet(count, [name for name in CONTESTS if name in chosen], options):
                results.append(result)
    finally:
        if options.json:
            write_json(options.json, {"machine": machine, "runs": options.runs, "start": options.start, "results": results})
    missed = [line for result in results for line in result["missed"]]
    print("\n".join(["", f"Marks missed: {len(missed)}", *(f"  {line}" for line in missed)]))
    return 1 if missed else 0


def _instant(runs: int) -> list[dict[str, t.Any]]:
    print("\ninstant, with 10 000 ledger entries")
    with tempfile.TemporaryDirectory(prefix="surefoot-bench-") as directory:
        found = instant.measure(pathlib.Path(directory) / "project", entries=10_000, runs=max(runs, 10))
    missed = []
    for name, seconds in found.items():
        summary, most = summarize(seconds), instant.MARKS.get(name)
        told = f"{name:17} {summary.median:6.2f} s ({summary.low:.2f} to {summary.high:.2f})"
        if most is not None and summary.median > most:
            missed.append(f"P6 {name} {summary.median:.2f} s, at most {most} s")
        print(f"  {told}{f'   P6 at most {most} s' if most else ''}")
    return [{"contest": "instant", "hosts": 0, "seconds": found, "missed": missed}]


def _on_fleet(count: int, names: t.Sequence[str], options: argparse.Namespace) -> t.Iterator[dict[str, t.Any]]:
    with tempfile.TemporaryDirectory(prefix="surefoot-bench-") as scratch, _fleet(pathlib.Path(scratch) / "fleet", count) as fleet:
        directory = pathlib.Path(scratch) / "project"
        directory.mkdir()
        ground = Ground(
            bench=Bench(directory, [f"{fleet.name}-{host.name}" for host in fleet.states()]),
            hosts=tuple(fleet.states()),
            fleet=fleet,
            pyinfra=_ensure_pyinfra() if "deploy" in names else None,
            ansistrano=options.ansistrano.absolute() if options.ansistrano else None,
            start=options.start,
        )
        for name in names:
            yield _compete(CONTESTS[name](ground), count, options.runs)


@contextlib.contextmanager
def _fleet(directory: pathlib.Path, count: int) -> t.Iterator[Fleet]:
    fleet = Fleet(directory)
    try:
        fleet.up(spec.parse_hosts(f"app:{count}"), user="root", volumes=(), deadline=300)
        yield fleet
    finally:
        fleet.down()


def _ensure_pyinfra() -> pathlib.Path:
    """pyinfra in a virtual environment of its own, since what it depends on is not for us."""
    home = ROOT / ".cache" / "bench" / "pyinfra"
    if not (home / "bin" / "pyinfra").exists():
        for command in ([sys.executable, "-m", "venv", str(home)], [str(home / "bin" / "pip"), "install", "--quiet", "pyinfra>=3"]):
            done = subprocess.run(command, text=True, capture_output=True)
            if done.returncode != 0:
                raise BenchError(f"pyinfra could not be installed: {done.stderr.strip()[-1000:]}")
    return home / "bin" / "pyinfra"


def _compete(contest: Contest, hosts: int, runs: int) -> dict[str, t.Any]:
    print(f"\n{contest.name}, {hosts} hosts, {runs} runs of each side")
    contest.prepare()
    versions = (str(number) for number in range(1, project.RELEASES + 1))
    if contest.warm_up:
        for act in contest.sides.values():
            act(versions)
    found: dict[str, list[Measured]] = {name: [] for name in contest.sides}
    for name in interleaved(list(contest.sides), runs):
        found[name].append(contest.sides[name](versions))
    for name, measured in found.items():
        seconds, cpu, trips = (summarize([getattr(one, what) for one in measured]) for what in ("seconds", "cpu", "trips"))
        print(f"  {name:17} {seconds.median:6.2f} s ({seconds.low:.2f} to {seconds.high:.2f})   cpu {cpu.median:6.2f} s   trips {trips.median:4.0f}")
    missed = []
    for mark in contest.marks:
        one = ratio([run.seconds for run in found[mark.ours]], [run.seconds for run in found[mark.theirs]])
        told = f"{mark.ours} / {mark.theirs} = {one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
        if mark.most is not None and not one.meets(mark.most):
            missed.append(f"{mark.rule} {hosts} hosts: {told}, at most {mark.most:g}")
        print(f"  {told}{f'   {mark.rule} at most {mark.most:g}' if mark.most else ''}")
    sides = {name: [dataclasses.asdict(one) for one in measured] for name, measured in found.items()}
    return {"contest": contest.name, "hosts": hosts, "sides": sides, "missed": missed}
