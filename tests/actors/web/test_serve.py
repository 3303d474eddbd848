"""Where the page may be served and how; and the command itself, as a process."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from actors.web.serve import CannotServe, ServedAt, rules
from broker.connection.address import Site
from tests.actors.console.factory_file import FactoryFile
from tests.late import within

TOKENS = Path("factory.tokens")


@pytest.mark.parametrize("listen", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_this_machine_it_is_served_with_tls_or_behind_a_proxy_only(listen: str) -> None:
    with pytest.raises(CannotServe, match="--certificate and --key"):
        rules(ServedAt(listen=listen), TOKENS)
    proxied = rules(ServedAt(listen=listen, behind=("10.0.0.1",)), TOKENS)
    secured = rules(ServedAt(listen=listen, certificate=Path("c"), key=Path("k")), TOKENS)
    assert (proxied.local, secured.local) == (False, False)


@pytest.mark.parametrize("at", [ServedAt(), ServedAt(listen="::1"), ServedAt(listen="0.0.0.0", socket=Path("s"))])
def test_on_this_machine_whoever_is_there_may_read(at: ServedAt) -> None:
    assert rules(at, TOKENS).local


def test_behind_a_proxy_on_this_machine_nobody_reads_without_a_name() -> None:
    """Everybody comes from the loopback address there."""
    assert not rules(ServedAt(behind=("127.0.0.1",)), TOKENS).local


@pytest.mark.parametrize("wrong", [{"listen": "here"}, {"behind": ("proxy.example",)}, {"certificate": Path("c")}])
def test_what_is_no_address_or_half_a_pair_is_said(wrong: dict[str, object]) -> None:
    with pytest.raises(CannotServe):
        rules(ServedAt(**wrong), TOKENS)  # type: ignore[arg-type]


def test_the_command_serves_the_page_and_a_token_of_the_command_may_wish(site: Site, tmp_path: Path) -> None:
    file = FactoryFile(site, tmp_path)
    file.write(["private"])
    secret = file.apf("token", "add", "ada", "--scope", "read", "--scope", "wish").output.strip()
    assert secret.startswith("apf_")
    assert "ada: read, wish" in file.apf("token").output
    port = free_port()
    served = subprocess.Popen([sys.executable, "-m", "actors.cli", "web", str(file.path), "--port", str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        within(60, "it answers", lambda: answers(url))
        assert httpx.get(url).status_code == 200
        wish = {"verb": "drain", "selector": "cloud", "name": "x", "reason": ""}
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.post(f"{url}/api/v1/wishes", json=wish, headers=headers).status_code == 422
        assert httpx.post(f"{url}/api/v1/wishes", json=wish).status_code == 403
        with httpx.stream("GET", f"{url}/api/v1/events") as events:
            assert next(events.iter_lines()) == ": nothing new"
    finally:
        served.terminate()
        assert served.wait(20) in (0, -15)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
