"""The store as the peers tell it: takes a moment for each refund, can be closed for a while, and remembers everything.

`python -m bench.shop PORT SECONDS`: POST /refund/ORDER is a refund; POST /closed and /open; GET /refunds is the list.
Ours talks to the sandbox store instead, which is a whole Magento in miniature, with the same delay.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class _Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    refunds: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()
    is_closed = threading.Event()
    seconds = 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, what, *rest = self.path.split("/")
        if what == "closed":
            self.is_closed.set()
        elif what == "open":
            self.is_closed.clear()
        elif self.is_closed.is_set():
            self._answer(503, b"closed")
            return
        else:
            with self.lock:
                self.refunds[rest[0]] += 1
            time.sleep(self.seconds)
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        with self.lock:
            body = json.dumps(self.refunds).encode()
        self._answer(200, body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    _Shop.seconds = float(sys.argv[2])
    _Server(("127.0.0.1", int(sys.argv[1])), _Shop).serve_forever()
