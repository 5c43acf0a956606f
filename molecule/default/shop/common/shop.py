"""The smallest shop that can be released: shop.py HOME serve|start PORT, shop.py HOME stop."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import urllib.parse

RELEASE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(sys.argv[1])
PID_FILE = HOME / "shop.pid"


class Shop(http.server.BaseHTTPRequestHandler):
    """Answers /health, and / from the cache."""

    def do_GET(self) -> None:
        """One answer, as a release of a shop would give it."""
        if self.path == "/health":
            self.answer("application/json", json.dumps({"version": (RELEASE / "VERSION").read_text().strip(), "drained": (HOME / "drained").exists()}))
        elif self.path == "/":
            self.answer("text/html", page())
        else:
            self.send_error(404)

    def answer(self, kind: str, text: str) -> None:
        """Send `text` with status 200."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


def page() -> str:
    """The front page: cached, or the template of this release filled from the database."""
    cached = HOME / "cache" / urllib.parse.quote("page:/", safe="")
    if not cached.exists():
        with contextlib.closing(sqlite3.connect(HOME / "shop.db")) as database:
            titles = ", ".join(title for (title,) in database.execute("SELECT title FROM books ORDER BY title"))
        cached.write_text((RELEASE / "templates" / "page.html").read_text().replace("TITLES", titles))
    return cached.read_text()


def start(port: str) -> None:
    """Serve from a process of its own, which stays in the directory of this release."""
    with (HOME / "shop.log").open("ab") as log:
        command = [sys.executable, str(RELEASE / "shop.py"), str(HOME), "serve", port]
        served = subprocess.Popen(command, cwd=RELEASE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    PID_FILE.write_text(str(served.pid))


def stop() -> None:
    """End the process; that it is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(PID_FILE.read_text()), signal.SIGTERM)
    PID_FILE.unlink()


if sys.argv[2] == "serve":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Shop).serve_forever()
elif sys.argv[2] == "start":
    start(sys.argv[3])
else:
    stop()
