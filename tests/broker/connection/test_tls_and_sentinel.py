"""Addresses that need more than a port: a real TLS listener, a real Sentinel."""

import datetime
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.connection.address import Address, Site
from broker.connection.embedded import server_program
from broker.errors import Unreachable, reaching
from tests.broker.post import Post, wait_for


def certificate(directory: Path, host: str) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def tls_before(address: Address, certified: Path) -> Iterator[int]:
    """A TLS listener that passes all bytes on to a plain Redis; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, address.nodes[0]), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, context: ssl.SSLContext, backend: tuple[str, int]) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(plain, context, backend), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, backend: tuple[str, int]) -> None:
    try:
        secure = context.wrap_socket(plain, server_side=True)
    except OSError:
        plain.close()
        return
    redis = socket.create_connection(backend)
    secure.settimeout(0.01)  # one thread for both ways: a TLS socket must not be used by two
    redis.settimeout(0.01)
    while _passed(secure, redis) and _passed(redis, secure):
        pass
    secure.close()
    redis.close()


def _passed(source: socket.socket, sink: socket.socket) -> bool:
    try:
        data = source.recv(65536)
    except TimeoutError:
        return True
    except OSError:
        return False
    if data:
        sink.sendall(data)
    return bool(data)


def secure(redis_address: Address, port: int, query: str) -> Address:
    return Address.parse(f"rediss://127.0.0.1:{port}/0{query}", password=redis_address.password)


def test_rows_and_mail_travel_over_checked_tls(redis_address: Address, tmp_path: Path) -> None:
    certified = certificate(tmp_path, "127.0.0.1")
    with tls_before(redis_address, certified) as port:
        post = Post(Site(address=secure(redis_address, port, f"?ca={certified}"), factory="tls"))
        post.room.subscribe("q")
        post.still_lives("q")
        post.close()


@pytest.mark.parametrize("case", ["unknown issuer", "another host's certificate"])
def test_a_certificate_that_cannot_be_checked_is_refused(redis_address: Address, tmp_path: Path, case: str) -> None:
    certified = certificate(tmp_path, "127.0.0.1" if case == "unknown issuer" else "192.0.2.1")
    query = "" if case == "unknown issuer" else f"?ca={certified}"
    with tls_before(redis_address, certified) as port:
        address = secure(redis_address, port, query)
        with pytest.raises(Unreachable, match="certificate"), reaching():
            address.client().ping()
        with pytest.raises(Exception, match="certificate"), address.connection() as connection:
            connection.channel()


@pytest.fixture
def sentinel_port(redis_address: Address, tmp_path: Path) -> Iterator[int]:
    """A real Sentinel that watches the session's Redis under the name 'apf'."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    host, watched = redis_address.nodes[0]
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\ndir {tmp_path}\n"
        f"sentinel monitor apf {host} {watched} 1\nsentinel auth-pass apf {redis_address.password}\n"
    )
    program = server_program()
    assert shutil.which(program)
    child = subprocess.Popen([program, str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        child.terminate()
        child.wait(10)


def test_rows_and_mail_find_the_master_that_sentinel_names(redis_address: Address, sentinel_port: int) -> None:
    url = f"sentinel://127.0.0.1:1,127.0.0.1:{sentinel_port}/0?master=apf"  # the first is down
    address = Address.parse(url, password=redis_address.password)

    def answers() -> bool:
        try:
            with reaching():
                return bool(address.client().ping())
        except Unreachable:
            time.sleep(0.05)
            return False

    wait_for(answers)
    post = Post(Site(address=address, factory="sentinel"))
    post.room.subscribe("q")
    post.client.lpush(post.site.mailbox("q"), "garbage")
    post.still_lives("q")
    wait_for(lambda: post.dead.count() == 1)
    post.close()


def test_a_master_that_sentinel_does_not_know_is_unreachable(redis_address: Address, sentinel_port: int) -> None:
    address = Address.parse(f"sentinel://127.0.0.1:{sentinel_port}/0?master=other", password=redis_address.password)
    with pytest.raises(Unreachable), reaching():
        address.client().ping()
