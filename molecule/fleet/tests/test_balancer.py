"""What the releases left in the pool."""

from __future__ import annotations

import csv

testinfra_hosts = ["ansible://balancer"]

ASK_HAPROXY = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect("/run/haproxy/admin.sock")
    connection.sendall(sys.argv[1].encode() + b"\\n")
    print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
"""


def test_every_member_is_in_the_pool(host) -> None:
    assert host.service("haproxy").is_running
    shown = host.check_output("python3 -c %s 'show stat'", ASK_HAPROXY)
    rows = [row for row in csv.DictReader(shown.lstrip("# ").splitlines()) if row["pxname"] == "bookshop"]
    assert {row["svname"]: row["status"] for row in rows if row["svname"] != "BACKEND"} == {"app1": "UP", "app2": "UP", "app3": "UP"}
