"""What is measured on a fleet, side by side: each contest has sides that do the same work, and marks for the ratio of two of them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import pathlib
import re
import subprocess
import typing as t

from tests.bench import project
from tests.bench.errors import BenchError
from tests.bench.runs import BIN, PEERS, ROOT, Bench, Measured
from tests.fleet.hosts import Fleet
from tests.fleet.inventory import control_directory, ssh_options
from tests.fleet.spec import Host

from ansible_collections.surefoot.release.plugins.plugin_utils.release import DEFAULT_BATCHES
from ansible_collections.surefoot.release.plugins.plugin_utils.units import batch_sizes

Act = t.Callable[[t.Iterator[str]], Measured]
"""One run of a side; it takes a version that no side has had yet, if it needs one."""

PLAYBOOKS = ROOT / "playbooks"

# Time from stopping the service to its first good answer, on the host itself.
FLOOR = (
    "s=$(date +%s%N); systemctl stop bench; systemctl start bench; "
    "until curl -fs -o /dev/null http://127.0.0.1:8000/health; do sleep 0.01; done; echo $(( $(date +%s%N) - s ))"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """A promise of DESIGN.md: `ours` takes at most `most` times what `theirs` takes; None where nothing is promised."""

    rule: str
    ours: str
    theirs: str
    most: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """Sides by name, marks, and what has to be done before the first run. `warm_up` sides run once unmeasured."""

    name: str
    sides: t.Mapping[str, Act]
    marks: tuple[Mark, ...]
    prepare: t.Callable[[], None] = lambda: None
    warm_up: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ground:
    """A fleet to measure on, the project to release, where the peers are (None where they are not to be measured), and how slow a start P4 is held to."""

    bench: Bench
    hosts: tuple[Host, ...]
    fleet: Fleet
    pyinfra: pathlib.Path | None
    ansistrano: pathlib.Path | None
    start: float

    @property
    def inventory(self) -> str:
        return str(self.fleet.inventory)

    def playbook(self, path: pathlib.Path, **variables: t.Any) -> Measured:
        """Measure one run of a playbook."""
        extra = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        return self.bench.run(str(BIN / "ansible-playbook"), "-i", self.inventory, *extra, str(path))

    def write_project(self, *, start: float) -> None:
        """A project whose service takes `start` seconds to answer, with more releases than are going to be measured, on hosts with nothing released."""
        project.write(self.bench.directory, self.fleet.inventory, start=start)
        self.playbook(self.bench.directory / "prepare.yml")

    def disconnect(self) -> None:
        """Close the connections ssh keeps open, so that every side begins with none."""
        for socket in control_directory(self.fleet.directory, self.fleet.name).glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "none"], capture_output=True)


def survey(ground: Ground) -> Contest:
    """P1, with connections open, where the share of our own work is largest."""
    return Contest(
        name="survey",
        prepare=lambda: ground.write_project(start=0),
        sides={
            "survey": lambda _versions: ground.playbook(PLAYBOOKS / "survey.yml", feature="bench"),
            "ping": lambda _versions: ground.bench.run(str(BIN / "ansible"), "all", "-i", ground.inventory, "-m", "ansible.builtin.ping"),
        },
        marks=(Mark(rule="P1", ours="survey", theirs="ping", most=1.5),),
    )


def deploy(ground: Ground) -> Contest:
    """P2, each side from no open connection to the live link, since pyinfra keeps none."""

    def playbook(name: str) -> Act:
        def act(versions: t.Iterator[str]) -> Measured:
            version = _built(ground, versions)
            ground.disconnect()
            more = {"ansistrano": ground.ansistrano} if name == "ansistrano" else {}
            return ground.playbook(PEERS / f"{name}.yml", version=version, artifact=project.artifact(ground.bench.directory, version), **more)

        return act

    def pyinfra(versions: t.Iterator[str]) -> Measured:
        version = _built(ground, versions)
        inventory = ground.bench.directory / "pyinfra_inventory.py"
        project.write_pyinfra_inventory(inventory, ground.hosts, ground.fleet.directory)
        data = [f"--data=version={version}", f"--data=artifact={project.artifact(ground.bench.directory, version)}"]
        ground.disconnect()
        return ground.bench.run(str(ground.pyinfra), "-y", *data, str(inventory), str(PEERS / "pyinfra_deploy.py"))

    sides: dict[str, Act] = {"surefoot": playbook("ours"), "plain tasks": playbook("plain")}
    marks = [Mark(rule="–", ours="surefoot", theirs="plain tasks", most=None)]
    if ground.pyinfra:
        sides["pyinfra"] = pyinfra
        marks.append(Mark(rule="P2", ours="surefoot", theirs="pyinfra", most=3))
    if ground.ansistrano:
        sides["Ansistrano"] = playbook("ansistrano")
        marks.append(Mark(rule="P2", ours="surefoot", theirs="Ansistrano", most=1 / 8))
    return Contest(name="deploy", prepare=lambda: ground.write_project(start=0), sides=sides, marks=tuple(marks), warm_up=False)


def runner(ground: Ground) -> Contest:
    """P3: one release after the other of the same path, in turns by the runner and by ansible-playbook alone."""
    return Contest(
        name="runner",
        prepare=lambda: ground.write_project(start=0),
        sides={
            "surefoot apply": lambda versions: ground.bench.run(
                str(BIN / "surefoot"), "apply", "bench", "--yes", "--to", project.release(_built(ground, versions))
            ),
            "ansible-playbook": lambda versions: _release(ground, versions),
        },
        marks=(Mark(rule="P3", ours="surefoot apply", theirs="ansible-playbook", most=1.15),),
    )


def roll(ground: Ground) -> Contest:
    """P4: the roll of a release, against the hosts of each batch restarting at the same moment by themselves."""

    def rolled(versions: t.Iterator[str]) -> Measured:
        measured = _release(ground, versions)
        begun = next(moment for moment, play in measured.marks if "[Roll" in play)
        ended = next(moment for moment, play in measured.marks if moment > begun and "[Roll" not in play)
        return dataclasses.replace(measured, seconds=ended - begun)

    def floor(_versions: t.Iterator[str]) -> Measured:
        hosts = iter(ground.hosts)
        batches = [list(itertools.islice(hosts, size)) for size in batch_sizes(DEFAULT_BATCHES, len(ground.hosts))]
        return Measured(seconds=sum(max(_each(ground, batch)) for batch in batches), cpu=0, trips=len(ground.hosts))

    return Contest(
        name="roll",
        prepare=lambda: ground.write_project(start=ground.start),
        sides={"roll": rolled, "floor": floor},
        marks=(Mark(rule="P4", ours="roll", theirs="floor", most=1.25),),
    )


def path(ground: Ground) -> Contest:
    """P6: planning on a path of 200 releases that are done, against a survey on a path of one."""

    def prepare() -> None:
        ground.write_project(start=0)
        project.write_long_path(ground.bench.directory, 200)
        ground.playbook(ground.bench.directory / "receipts.yml")

    return Contest(
        name="path",
        prepare=prepare,
        sides={
            "200 releases done": lambda _versions: ground.bench.run(str(BIN / "surefoot"), "plan", "long"),
            "one survey": lambda _versions: ground.bench.run(str(BIN / "surefoot"), "survey", "short"),
        },
        marks=(Mark(rule="P6", ours="200 releases done", theirs="one survey", most=1.5),),
    )


CONTESTS: t.Mapping[str, t.Callable[[Ground], Contest]] = {"survey": survey, "deploy": deploy, "runner": runner, "roll": roll, "path": path}


def _release(ground: Ground, versions: t.Iterator[str]) -> Measured:
    return ground.playbook(PLAYBOOKS / "release.yml", feature="bench", release=project.release(_built(ground, versions)))


def _built(ground: Ground, versions: t.Iterator[str]) -> str:
    """The next version, with its artifact made."""
    version = next(versions)
    project.write_artifact(ground.bench.directory, version)
    return version


def _each(ground: Ground, hosts: t.Sequence[Host]) -> list[float]:
    def one(host: Host) -> float:
        options = [*ssh_options(ground.fleet.directory).split(), "-i", str(ground.fleet.directory / "client_key")]
        done = subprocess.run(["ssh", *options, f"root@{host.address}", FLOOR], text=True, capture_output=True, timeout=300)
        if done.returncode != 0 or not re.fullmatch(r"\d+\s*", done.stdout):
            raise BenchError(f"{host.name} could not restart its service by itself: {done.stdout}{done.stderr}")
        return int(done.stdout) / 1e9

    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(one, hosts))
