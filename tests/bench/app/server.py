"""The application that is released by the benchmark: it answers on /health with its version, after as long a start as BENCH_START says, in seconds."""

import http.server
import json
import os
import pathlib
import time


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"version": pathlib.Path("VERSION").read_text(encoding="utf-8").strip()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the journal of a benchmark interests nobody."""


time.sleep(float(os.environ.get("BENCH_START", "0")))
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Health).serve_forever()
