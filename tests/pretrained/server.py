"""A weights server on this machine, that counts what is asked of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WeightsServer(ThreadingHTTPServer):
    """Answers every GET with `body`; `gets` and `heads` count the requests."""

    def __init__(self, body: bytes, *, announced: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.announced = body, announced or len(body)
        self.gets = self.heads = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: WeightsServer

    def do_HEAD(self) -> None:
        self.server.heads += 1
        self.send_error(404)

    def do_GET(self) -> None:
        self.server.gets += 1
        time.sleep(0.1)  # time for another process to ask as well
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.announced))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(body: bytes, *, announced: int | None = None) -> Iterator[WeightsServer]:
    """A running server, stopped at the end of the block."""
    server = WeightsServer(body, announced=announced)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
