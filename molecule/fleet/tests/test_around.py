"""What the releases left on the hosts around the application: database, cache and balancer."""

from __future__ import annotations

import csv

import pytest

ASK_HAPROXY = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect("/run/haproxy/admin.sock")
    connection.sendall(sys.argv[1].encode() + b"\\n")
    print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
"""


def psql(host, query: str) -> list[str]:
    return host.check_output("runuser -u postgres -- psql -At -d bookshop -c %s", query).splitlines()


@pytest.mark.testinfra_hosts("ansible://db")
def test_the_schema_is_the_newest_and_books_are_still_there(host) -> None:
    assert host.service("postgresql@15-main").is_running
    assert host.socket("tcp://0.0.0.0:5432").is_listening
    assert psql(host, "SELECT version_num FROM alembic_version") == ["0002"]
    assert {"books", "reviews"} <= set(psql(host, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))
    assert int(psql(host, "SELECT count(*) FROM books")[0]) >= 5


@pytest.mark.testinfra_hosts("ansible://cache")
def test_the_cache_knows_the_shape_of_its_pages(host) -> None:
    assert host.service("redis-server").is_running
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    keys = host.check_output("redis-cli --raw keys '*'").split()
    assert "page:__surefoot_fingerprint__" in keys
    assert all(key.startswith("page:") for key in keys)
    # Pages of the old shape had no slot that reviews could be put into.
    pages = [host.check_output("redis-cli --raw get %s", key) for key in keys if key.startswith("page:book:")]
    assert pages
    assert all("slot" in page for page in pages)


@pytest.mark.testinfra_hosts("ansible://balancer")
def test_every_member_is_in_the_pool(host) -> None:
    assert host.service("haproxy").is_running
    shown = host.check_output("python3 -c %s 'show stat'", ASK_HAPROXY)
    rows = [row for row in csv.DictReader(shown.lstrip("# ").splitlines()) if row["pxname"] == "bookshop"]
    assert {row["svname"]: row["status"] for row in rows if row["svname"] != "BACKEND"} == {"app1": "UP", "app2": "UP", "app3": "UP"}
