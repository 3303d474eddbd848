"""A world behind a socket, in its own process or in a thread of a test.

It ends when its owner does: with `--with-stdin` the process watches its standard input and ends when that is closed.
"""

from __future__ import annotations

import socketserver
import threading
import time
from types import TracebackType
from typing import Any

from actors.world_link import receive, send
from deploy.lab.world.model import Refusal, World
from deploy.lab.world.operations import Operations


class WorldServer:
    """Usable as a context manager. Port 0 takes a free one; `place` is where it listens."""

    def __init__(self, world: World, port: int = 0, clock: Any = time.time) -> None:
        self.operations = Operations(world, clock)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.operations = self.operations
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> WorldServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    operations: Operations


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            operation, arguments = receive(self.request)
            try:
                answer = ["ok", self.server.operations.do(operation, arguments)]
            except Refusal as refusal:
                answer = [refusal.kind, str(refusal)]
            except TypeError as error:
                answer = ["refused", f"wrong arguments for {operation}: {error}"]
            send(self.request, answer)
        except (EOFError, OSError):
            return  # the client went away: it will ask again
