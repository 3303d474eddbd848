"""A world behind sockets, in its own process or in a thread of a test.

It ends when its owner does: with `--with-stdin` the process watches its standard input and ends when that is closed.

Beside the one place where everybody may call, there may be links: sockets by path, each with a name. What comes over a
link meets with the weather, and the ledger names the link with what was done; so each host can have links of its own.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from actors.clouds.simulated.link import receive, send
from deploy.lab.world.model import Refusal, World
from deploy.lab.world.operations import Lost, Operations

SILENCE_S = 30.0  # a lost call is not answered, not even by closing; callers have given up by then


class WorldServer:
    """Usable as a context manager. Port 0 takes a free one; `place` is where it listens. `links`: name -> path."""

    def __init__(
        self,
        world: World,
        port: int = 0,
        clock: Any = time.time,
        links: Mapping[str, Path] | None = None,
        **settings: Any,
    ) -> None:
        self.operations = Operations(world, clock, **settings)
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        self._all: list[_Server | _LinkServer] = [self._server]
        for link, path in (links or {}).items():
            server = _LinkServer(str(path), _Handler)
            server.link = link
            self._all.append(server)
        self._threads = []
        for one in self._all:
            one.operations, one.over = self.operations, self._over
            serve = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
            self._threads.append(serve)

    def __enter__(self) -> WorldServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for one in self._all:
            one.shutdown()
            one.server_close()
        for thread in self._threads:
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    operations: Operations
    over: threading.Event
    link = ""


class _LinkServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    operations: Operations
    over: threading.Event
    link = ""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server | _LinkServer

    def handle(self) -> None:
        # The client may go away at any time: it will ask again.
        with contextlib.suppress(EOFError, OSError):
            operation, arguments = receive(self.request)
            try:
                answer = ["ok", self.server.operations.do(operation, arguments, self.server.link)]
            except Refusal as refusal:
                answer = [refusal.kind, str(refusal)]
            except TypeError as error:
                answer = ["refused", f"wrong arguments for {operation}: {error}"]
            except Lost:
                self.server.over.wait(SILENCE_S)
                return
            send(self.request, answer)
