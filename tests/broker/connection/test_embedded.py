"""The embedded server: data survive, nobody is left behind, one server a directory."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from broker.connection.address import Site
from broker.connection.embedded import EmbeddedServer, find
from broker.errors import AlreadyRuns, BrokerError, RedisRefused, reaching
from tests.late import within

HOLD = """
import sys, time
from tests.late import within
from broker.connection.embedded import EmbeddedServer
from tests.late import within
server = EmbeddedServer(sys.argv[1])
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie counts as ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> None:
    within(10, f"process {pid} is gone", lambda: gone(pid))


def test_rows_survive_a_restart_in_the_same_directory_and_the_address_stays(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as first:
        first.address.client().set("a", "1")
        address = first.address
    with EmbeddedServer(tmp_path) as second:
        assert second.address.client().get("a") == b"1"
        assert second.address == address


def test_nobody_without_the_password_gets_in(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        stranger = replace(server.address, password=None)
        with pytest.raises(RedisRefused), reaching():
            stranger.client().get("a")
        for file in ("server.conf", "address.json"):
            assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600


def test_another_process_finds_it_and_a_second_start_is_refused(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    with EmbeddedServer(tmp_path) as server:
        assert find(tmp_path) == server.address
        with pytest.raises(AlreadyRuns):
            EmbeddedServer(tmp_path).start()
        assert server.address.client().ping()
    assert find(tmp_path) is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_dies_with_its_parent_and_the_next_start_works(tmp_path: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, how)
    parent.wait(10)
    parent.stdout.close()
    with EmbeddedServer(tmp_path) as server:
        assert server.address.client().ping()
    wait_until_gone(child)


def test_a_port_that_is_taken_makes_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BrokerError, match="did not start"):
            EmbeddedServer(tmp_path, port=taken.getsockname()[1]).start()


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, port=0) as server:
        port = server.address.nodes[0][1]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with EmbeddedServer(tmp_path, port=0) as server:
            assert server.address.nodes[0][1] != port


def test_stopping_twice_or_before_a_start_is_harmless(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    server.stop()
    with pytest.raises(BrokerError):
        _ = server.address
    server.start()
    pid = server.pid
    server.stop()
    server.stop()
    assert pid is not None
    assert gone(pid)


def listens_on_tcp(pid: int) -> bool:
    inodes = {
        words[9]
        for table in ("tcp", "tcp6")
        for words in map(str.split, Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:])
        if words[3] == "0A"
    }
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return any(f"socket:[{inode}]" in links for inode in inodes)


def test_there_is_a_port_only_where_one_is_asked_for(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        assert server.pid is not None
        assert not listens_on_tcp(server.pid)
        assert server.address.client().ping()
    with EmbeddedServer(tmp_path, port=0) as server:
        assert server.pid is not None
        assert listens_on_tcp(server.pid)
        assert server.address.client().ping()
        local = find(tmp_path)
        assert local is not None
        assert str(local).startswith("unix:")


def test_mail_goes_through_the_socket(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        site = Site(address=server.address, factory="a")
        with site.connection() as connection, connection.SimpleQueue("box") as queue:
            queue.put("hello")
            message = queue.get(timeout=5)
            assert message.payload == "hello"
            message.ack()


def test_who_listens_on_the_last_port_after_a_crash_gets_no_password(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, port=0) as server:
        port, password = server.address.nodes[0][1], server.address.password
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        stranger.setblocking(False)
        assert find(tmp_path) is None
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert password


def test_the_port_and_password_of_the_version_before_are_not_used_again(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        stranger.setblocking(False)
        before = {"host": "127.0.0.1", "port": stranger.getsockname()[1], "password": "told-to-somebody"}
        (tmp_path / "address.json").write_text(json.dumps(before))
        tmp_path.chmod(0o700)
        assert find(tmp_path) is None
        with EmbeddedServer(tmp_path) as server:
            assert server.address.password != "told-to-somebody"
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_the_directory_and_its_files_are_for_the_owner_alone_also_where_they_were_there_before(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        server.address.client().set("a", "1")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with EmbeddedServer(tmp_path) as server:
        server.address.client().bgrewriteaof()
        assert server.address.client().get("a") == b"1"
        assert any(path.suffix == ".aof" for path in tmp_path.rglob("*"))
        modes = {path: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path, *tmp_path.rglob("*"))}
    assert set(modes.values()) == {0}


def test_a_socket_in_a_directory_that_is_open_to_others_is_not_asked(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path):
        assert find(tmp_path)
        tmp_path.chmod(0o770)
        assert find(tmp_path) is None


def test_a_directory_with_a_long_path_works_too(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    with EmbeddedServer(deep) as server:
        assert server.address.client().ping()
        script = "import sys; from broker.connection.embedded import find; print(find(sys.argv[1]).client().ping())"
        other = subprocess.run([sys.executable, "-c", script, str(deep)], capture_output=True, text=True, check=True)
        assert other.stdout.strip() == "True"


def test_a_password_shows_in_no_text_of_an_address(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        assert server.address.password
        assert server.address.password not in f"{server.address!r} {server.address} {server.address.client()!r}"


def test_a_server_whose_disk_is_full_is_up_and_says_so_to_whoever_asks_further(tmp_path: Path) -> None:
    full = b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"
    with EmbeddedServer(tmp_path):
        pass  # the directory is as it is made
    (tmp_path / "redis.sock").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "redis.sock"))
        server.listen()
        threading.Thread(target=_refusing, args=(server, full), daemon=True).start()
        assert find(tmp_path) is not None


def _refusing(server: socket.socket, answer: bytes) -> None:
    """Takes every password, and refuses whatever else is asked, as a Redis that cannot write does."""
    connection, _ = server.accept()
    while asked := connection.recv(65_536):
        for command in asked.split(b"*")[1:]:
            connection.sendall(b"+OK\r\n" if b"AUTH" in command or b"CLIENT" in command else answer)
