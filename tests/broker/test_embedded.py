"""The embedded server: data survive, nobody is left behind, one server a directory."""

import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from broker.embedded import EmbeddedServer, find
from broker.errors import AlreadyRuns, BrokerError, Refused, reaching
from tests.late import within

HOLD = """
import sys, time
from tests.late import within
from broker.embedded import EmbeddedServer
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
        with pytest.raises(Refused), reaching():
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
    with EmbeddedServer(tmp_path) as server:
        port = server.address.nodes[0][1]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with EmbeddedServer(tmp_path) as server:
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
