"""A server on this machine that resumes, refuses and dies when told to."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scq.data.download import RemoteFile

CONTENT = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends ``server.content``; ``server.ranges``: from where it was asked to; ``server.dies_after``: so many bytes."""

    def do_GET(self) -> None:
        server: Server = self.server  # pyrefly: ignore
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        self.wfile.write(server.content[start:][: server.dies_after])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


class Server(http.server.ThreadingHTTPServer):
    content = CONTENT
    ranges = True
    dies_after: int | None = None
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def remote(self, name: str = "file.bin") -> RemoteFile:
        """The file that it has now, under a name."""
        url = f"http://127.0.0.1:{self.server_port}/{name}"
        return RemoteFile(url, len(self.content), hashlib.sha256(self.content).hexdigest())


@contextmanager
def serving() -> Iterator[Server]:
    """A server that answers inside the ``with`` block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
