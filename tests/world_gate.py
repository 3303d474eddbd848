"""One host's own way to a simulated world: it can be shut, and single calls can be held back.

Each host has a gate of its own in its own directory (`./cloud.sock`), so one host can be cut off while the others go
on, and the configuration still is the same for all. A call that was held back is carried out when it is let go, whoever
asked for it and however long ago: so late calls can be made as late as a test wants them. What came while the gate was
shut is lost, as packets are.
"""

import socketserver
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.clouds.simulated.link import receive, send
from deploy.lab.world.model import Refusal
from deploy.lab.world.operations import Operations

WAIT_S = 60.0  # no test holds anything longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as it was carried out. `at` is monotonic seconds."""

    at: float
    operation: str
    arguments: dict[str, Any]


class Gate:
    """Listens at the socket `path`. Usable as a context manager."""

    def __init__(self, path: Path, operations: Operations) -> None:
        self.asked: list[Asked] = []
        self.waiting: list[str] = []  # operations that are held back now
        self._operations = operations
        self._changed = threading.Condition()
        self._open = True
        self._shut_times = 0
        self._held: set[str] = set()
        self._server = _Server(str(path), _Handler)
        self._server.gate = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> "Gate":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def shut(self) -> None:
        """Nothing passes, nothing is answered."""
        with self._changed:
            self._open = False
            self._shut_times += 1

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def hold(self, *operations: str) -> None:
        """These wait at the gate from now on, until `let_go`."""
        with self._changed:
            self._held |= set(operations)

    def let_go(self) -> None:
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def count(self, operation: str) -> int:
        """How many calls of this kind were carried out."""
        return sum(one.operation == operation for one in self.asked)

    def pass_on(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Carry it out, now or later. Raises Refusal, and EOFError when it is lost."""
        with self._changed:
            if not self._open:
                raise EOFError("lost: the gate is shut")
            times = self._shut_times
            if operation in self._held:
                self.waiting.append(operation)
                self._changed.wait_for(lambda: operation not in self._held, WAIT_S)
                self.waiting.remove(operation)
            if times != self._shut_times:
                raise EOFError("lost: the gate was shut")
            self.asked.append(Asked(at=time.monotonic(), operation=operation, arguments=arguments))
        return self._operations.do(operation, arguments)

    def wait_open(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open, WAIT_S)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    gate: Gate


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            operation, arguments = receive(self.request)
            try:
                answer = ["ok", self.server.gate.pass_on(operation, arguments)]
            except Refusal as refusal:
                answer = [refusal.kind, str(refusal)]
            send(self.request, answer)
        except EOFError:
            self.server.gate.wait_open()  # no answer, not even a closed connection
        except OSError:
            return  # the caller went away
