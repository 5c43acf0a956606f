"""Where the example's shop lies, and what it tells supervisord and the inventory."""

import configparser
import pathlib
import shlex

import pytest
from examples.bookshop import layout as module

EXAMPLE = pathlib.Path(module.__file__).parent


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> module.Layout:
    return module.Layout(tmp_path / "50% off", 4000, pathlib.Path("/venv/bin/python"), tmp_path / "supervisor.sock")


def test_instances_run_in_what_is_live_and_know_each_other_apart(layout: module.Layout):
    config = configparser.ConfigParser()
    config.read_string(module.supervisor_config(layout, pathlib.Path("front.py")))
    for number, name in enumerate(module.NAMES, 1):
        program = config[f"program:{name}"]
        assert program["directory"] == str(layout.root / "hosts" / name / "app" / "current")
        assert f'BOOKSHOP_BIND="127.0.0.1:{4000 + number}"' in program["environment"]
        assert str(layout.root / "hosts" / name / "drain") in program["environment"]
        assert "--preload" not in program["command"]


def test_every_process_names_its_pid_file_on_its_command_line(layout: module.Layout):
    config = configparser.ConfigParser()
    config.read_string(module.supervisor_config(layout, pathlib.Path("front.py")))
    for name in ("front", *module.NAMES):
        assert str(layout.pid_file(name)) in shlex.split(config[f"program:{name}"]["command"])


def test_a_percent_sign_in_the_path_reaches_the_programs_as_it_is(layout: module.Layout):
    assert "50%% off" in module.supervisor_config(layout, pathlib.Path("front.py"))


def test_the_description_has_one_entry_for_each_host_of_the_inventory(layout: module.Layout):
    described = module.description(layout, EXAMPLE)
    assert isinstance(described["instances"], dict)
    assert list(described["instances"]) == list(module.NAMES)
    hosts = (EXAMPLE / "inventories/demo/hosts.yml").read_text()
    assert all(f"    {name}:" in hosts for name in module.NAMES)


def test_a_copy_of_the_project_names_no_default_address(layout: module.Layout):
    files = [path for name in ("surefoot.yml", "features", "inventories", "tests") for path in [EXAMPLE / name, *(EXAMPLE / name).rglob("*")] if path.is_file()]
    texts = [path.read_text() for path in files if "__pycache__" not in path.parts]
    copies = "".join(module.for_this_layout(text, layout) for text in texts)
    assert "18080" in "".join(texts)
    assert "18080" not in copies
    assert ".demo" not in copies
    assert f'bookshop_dir: "{layout.root}"' in copies
