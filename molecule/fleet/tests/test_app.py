"""What must be true on each application host after the five releases, and after what broke was put right."""

from __future__ import annotations

import json

import pytest

testinfra_hosts = ["ansible://app"]

INSTALLED = "/opt/bookshop"
RELEASES = ["reviews-table", "reviews-api", "reviews-internal", "reviews-ui", "reviews-everyone"]


@pytest.fixture
def address(host) -> str:
    return host.ansible.get_variables()["fleet_address"]


def test_the_unit_runs_and_starts_with_the_host(host) -> None:
    unit = host.service("bookshop.service")
    assert unit.is_running
    assert unit.is_enabled


def test_it_listens_where_the_balancer_asks(host, address) -> None:
    assert host.socket(f"tcp://{address}:8000").is_listening


def test_the_newest_version_is_live_and_is_what_answers(host, address) -> None:
    assert host.file(f"{INSTALLED}/current").linked_to == f"{INSTALLED}/releases/2.1.0"
    assert json.loads(host.check_output(f"curl -s http://{address}:8000/healthz")) == {"status": "ok", "version": "2.1.0"}


def test_every_process_runs_in_the_live_release(host) -> None:
    places = host.check_output("for pid in $(pgrep -u bookshop); do readlink /proc/$pid/cwd; done").split()
    assert set(places) == {f"{INSTALLED}/releases/2.1.0"}


def test_the_version_before_is_kept_with_its_virtualenv(host) -> None:
    assert host.file(f"{INSTALLED}/releases/2.0.0/venv/bin/gunicorn").exists
    assert not [name for name in host.file(f"{INSTALLED}/.surefoot").listdir() if name.startswith("staging-")]


def test_the_flag_is_open_to_everyone(host) -> None:
    flag = json.loads(host.file("/etc/bookshop/flags/flags.json").content_string)["flags"]["reviews"]
    assert flag["state"] == "ENABLED"
    assert flag["variants"][flag["defaultVariant"]] is True


def test_customers_get_reviews_from_this_very_host(host, address) -> None:
    assert host.check_output(f"curl -s -o /dev/null -w '%{{http_code}}' -H 'X-User: customer' http://{address}:8000/api/books/1/reviews") == "200"
    assert "Reviews" in host.check_output(f"curl -s -H 'X-User: customer' http://{address}:8000/books/1")


def test_the_receipt_names_the_releases_that_concern_this_host(host) -> None:
    receipt = json.loads(host.file("/var/lib/surefoot/bookshop.json").content_string)
    first = host.ansible.get_variables()["inventory_hostname"] == "app1"
    assert receipt["live_version"] == "2.1.0"
    assert [entry["release"] for entry in receipt["releases"]] == (RELEASES if first else RELEASES[1:])
    assert {entry["outcome"] for entry in receipt["releases"]} == {"verified"}


def test_no_lock_is_left(host) -> None:
    assert set(host.file("/var/lib/surefoot").listdir()) <= {"bookshop.json", ".bookshop.lock.guard"}
