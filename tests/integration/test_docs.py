"""What the documents say is so: their examples run, their links lead somewhere, and the options and variables they name exist."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import pathlib
import re
import subprocess
import sys
import typing as t

import click
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from helpers import BIN, ROOT, ansible_environment, run_playbook
from surefoot.cli import COMMANDS, program
from surefoot.loading import parse_feature_file, parse_project

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "roles").glob("*/README.md"), ROOT / "examples/bookshop/README.md"])
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))
FENCE = re.compile(r"(?:^<!-- test: (?P<name>\w+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def fence(page: str, name: str) -> str:
    """The code fence after `<!-- test: name -->` on a page."""
    found = [match["text"] for match in FENCE.finditer((ROOT / page).read_text()) if match["name"] == name]
    assert len(found) == 1, f"{page} has {len(found)} fences for the test {name}"
    return found[0]


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The application of the guide, made and released once by pasting its example into a shell."""
    directory = tmp_path_factory.mktemp("guide")
    done = subprocess.run(
        ["bash", "-e"], input=fence("docs/guide.md", "bare"), cwd=directory, env=ansible_environment(), text=True, capture_output=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "hello"


def receipt(home: pathlib.Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((home / "receipts/hello.json").read_text()))


def test_the_copy_and_paste_example_performs_a_release(hello: pathlib.Path) -> None:
    assert [(one["release"], one["outcome"]) for one in receipt(hello)["releases"]][:1] == [("visitors-table", "verified")]
    query = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM visitors').fetchone()[0])"
    asked = subprocess.run([sys.executable, "-c", query, str(hello / "hello.db")], text=True, capture_output=True, check=True)
    assert asked.stdout == "0\n"


def test_the_same_release_again_changes_nothing(hello: pathlib.Path) -> None:
    done = run_playbook("-i", "hosts.yml", "release.yml", "-e", "feature=greeting", "-e", "release=visitors-table", cwd=hello)
    assert done.returncode == 0, done.stdout
    assert re.search(r"here +: .*changed=0 ", done.stdout)


def test_the_example_of_the_python_api_goes_on_where_the_playbook_stopped(hello: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", fence("docs/python-api.md", "api")],
        cwd=hello,
        env=ansible_environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT / '.collections'}"),
        text=True,
        capture_output=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == ["visitors-table done", "greeting-live pending"]
    assert "gate  grep -q hello live/current/greeting.txt  passed" in said
    assert "{'greeting-live': 'verified'}" in said
    assert (hello / "live/current/greeting.txt").read_text() == "hello\n"
    assert receipt(hello)["live_version"] == "1.0.0"


def test_the_files_of_a_new_project_are_the_ones_the_guide_names(tmp_path: pathlib.Path) -> None:
    done = subprocess.run([str(BIN / "surefoot"), "init", "shop"], cwd=tmp_path, text=True, capture_output=True, check=True)
    shown = next(match["text"] for match in FENCE.finditer((ROOT / "docs/guide.md").read_text()) if "surefoot init shop" in match["text"])
    assert shown.partition("surefoot init shop\n")[2] == done.stdout
    checked = subprocess.run([str(BIN / "surefoot"), "lint"], cwd=tmp_path / "shop", text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout


def test_the_files_on_the_front_page_are_valid() -> None:
    texts = [match["text"] for match in FENCE.finditer((ROOT / "README.md").read_text()) if match["language"] == "yaml"]
    project = parse_project(texts[0].encode())
    assert parse_feature_file(texts[1].encode(), project=project).parsed()


@functools.cache
def anchors(page: pathlib.Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_paths_that_the_documents_name_exist() -> None:
    """Of the code's own tree; what stands on hosts or in projects begins otherwise."""
    ours = re.compile(r"`((?:docs|playbooks|plugins|roles|src|tests|molecule|script|examples|changelogs)/[\w./-]+)`")
    missing = [f"{page.name}: {name}" for page in PAGES for name in ours.findall(page.read_text()) if not (ROOT / name).exists()]
    assert missing == []


def test_tests_that_the_documents_name_exist() -> None:
    known = {name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    known |= {name for path in (ROOT / "molecule").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    files = {path.name for folder in ("tests", "molecule") for path in (ROOT / folder).rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", (ROOT / "docs/safety.md").read_text()))
    assert named - known - files == set()


def commands() -> dict[str, click.Command]:
    return {name: importlib.import_module(f"surefoot.cli.{name}").command for name in COMMANDS}


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params if isinstance(parameter, click.Option) for name in (*parameter.opts, *parameter.secondary_opts)}


def documented_options() -> list[tuple[str, str]]:
    """Every option in the tables of docs/cli.md with the cell that says whose it is, empty in the table of what goes on to ansible."""
    page = (ROOT / "docs/cli.md").read_text()
    rows = [[cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")] for line in page.splitlines() if line.startswith("| `-")]
    return [(name, row[1] if len(row) == 3 else "") for row in rows for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", row[0])]


def test_every_option_named_exists_where_it_is_said_to() -> None:
    known = commands()
    passed_on = {"survey", "plan", "apply", "verify", "rollback"}
    assert len(documented_options()) > 15
    for name, where in documented_options():
        named = set(re.findall(r"`(\w+)`", where))
        owners = passed_on if not where else set(known) - named if where.startswith("all but") else named
        assert not {owner for owner in owners if name not in options(known[owner])}, name


def test_every_command_and_option_is_named() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    missing = [name for name in COMMANDS if f"`surefoot {name}" not in page]
    named = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", page, re.IGNORECASE))
    missing += [f"{name} {option}" for name, command in commands().items() for option in sorted(options(command) - named) if option.startswith("--")]
    missing += sorted(options(program) - named)
    assert missing == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_describes_the_variables_it_takes(role: str) -> None:
    home = ROOT / "roles" / role
    entry_points = yaml.safe_load((home / "meta/argument_specs.yml").read_text())["argument_specs"]
    taken = {name for entry_point in entry_points.values() for name in entry_point.get("options") or {}}
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", (home / "README.md").read_text(), re.MULTILINE)
    described = set(re.findall(r"\w+", " ".join(cells))) - set(entry_points)
    assert described == taken


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_the_variables_it_describes(role: str) -> None:
    """Defaults are for variables of the argument spec, and tasks use no variable under the role's own name that is not in it."""
    home = ROOT / "roles" / role
    entry_points = yaml.safe_load((home / "meta/argument_specs.yml").read_text())["argument_specs"]
    taken = {name for entry_point in entry_points.values() for name in entry_point.get("options") or {}}
    defaults = home / "defaults/main.yml"
    assert not defaults.exists() or set(yaml.safe_load(defaults.read_text())) <= taken
    tasks = "\n".join(path.read_text() for path in (home / "tasks").glob("*.yml"))
    registered = set(re.findall(r"^\s+register: (\w+)$", tasks, re.MULTILINE))
    used = {name for expression in re.findall(r"\{\{.*?\}\}", tasks, re.DOTALL) for name in re.findall(rf"\b{role}_\w+", expression)}
    assert used - taken - registered == set()


def constants(path: pathlib.Path) -> dict[str, t.Any]:
    """The documentation of a module, parsed."""
    texts = {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name) and isinstance(statement.value, ast.Constant)
    }
    return {name: yaml.safe_load(texts[name]) for name in ("DOCUMENTATION", "EXAMPLES", "RETURN")}


def argument_spec(documented: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a module accepts, out of its documentation, which `ansible-test sanity` holds against the code."""
    keys = ("type", "elements", "required", "choices", "aliases")
    return {
        name: {
            **{key: option[key] for key in keys if key in option},
            **({"options": argument_spec(option["suboptions"])} if "suboptions" in option else {}),
        }
        for name, option in documented.items()
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples_of_a_module_are_tasks_it_accepts(path: pathlib.Path) -> None:
    documentation = constants(path)
    spec = argument_spec(documentation["DOCUMENTATION"].get("options") or {})
    own = [task for task in documentation["EXAMPLES"] if f"surefoot.release.{path.stem}" in task]
    assert own
    for task in own:
        given = {name: value for name, value in task[f"surefoot.release.{path.stem}"].items() if not _templated(spec.get(name, {}), value)}
        left_out = set(task[f"surefoot.release.{path.stem}"]) - set(given)
        wanted = {name: {**option, "required": False} if name in left_out else option for name, option in spec.items()}
        assert ArgumentSpecValidator(wanted).validate(given).error_messages == [], task["name"]


def _templated(option: t.Mapping[str, t.Any], value: t.Any) -> bool:
    """A template has its type only once it is filled in, so where text would not do it is not judged."""
    return isinstance(value, str) and "{{" in value and option.get("type") not in {None, "str", "path", "raw"}
