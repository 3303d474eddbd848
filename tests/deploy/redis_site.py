"""Three real Redis and three real Sentinels from the files in deploy/redis, as `fill.sh` fills them in.

Only ports, folders and certificates are changed, and how soon a silent master counts as down. The first Redis is the
master, and the others reach it through a cable that can be cut: cut, it lives on alone, and who connects to `alone`
still talks to it.
"""

import datetime
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.connection.address import Address, Site
from broker.errors import Unreachable, reaching
from tests.broker.post import wait_for
from tests.cut_cable import Cable
from tests.deploy.debian_redis import Programs, programs

FILES = Path(__file__).parents[2] / "deploy/redis"
HOST = "localhost"
STOP_S = 10.0


class RedisSite:
    """`with RedisSite(folder) as site:`. Factory `prod`; passwords by user in `password`."""

    def __init__(self, folder: Path, sentinels: int = 3) -> None:
        self.folder, self._sentinels = folder, sentinels
        self.factory = "prod"
        self._exits = ExitStack()
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # by configuration file

    def __enter__(self) -> "RedisSite":
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def password(self, user: str) -> str:
        return (self.folder / "passwords" / user).read_text()

    def address(self, user: str, port: int = 0) -> Address:
        """By the Sentinels; with a port, that server alone."""
        places = f"{HOST}:{port}" if port else ",".join(f"{HOST}:{one}" for one in self.sentinel_ports)
        query = f"ca={self.ca}" if port else f"master=apf&ca={self.ca}"
        scheme = "rediss" if port else "sentinels"
        url = f"{scheme}://{places}/0?{query}"
        return Address.parse(url, user=f"{self.factory}-{user}", password=self.password(user))

    def site(self, user: str, port: int = 0) -> Site:
        return Site(address=self.address(user, port), factory=self.factory)

    def url(self, user: str, port: int) -> str:
        """As an outsider's redis-py and kombu take it."""
        return f"rediss://{self.factory}-{user}:{self.password(user)}@{HOST}:{port}/0"

    def aof(self, port: int) -> Path:
        """The folder of a server, with its append-only file."""
        return self.folder / str(port)

    def forget(self) -> None:
        """Nothing was ever written to these servers."""
        self.address("test", self.alone).client().flushall()

    def freeze_replicas(self) -> None:
        """Their machines stand still: to the master, they are gone."""
        self._signal_replicas(signal.SIGSTOP)

    def thaw_replicas(self) -> None:
        self._signal_replicas(signal.SIGCONT)

    def _signal_replicas(self, number: signal.Signals) -> None:
        for port in self.ports[1:]:
            self._children[str(self.folder / str(port) / "redis.conf")].send_signal(number)

    def _start(self) -> None:
        _fill(self.factory, self.folder)
        self._admit_the_test()
        self.ca = _certificate(self.folder)
        found = programs()
        self.ports = [_free_port() for _ in range(3)]
        self.cable = self._exits.enter_context(Cable(self.ports[0]))
        self.alone = self.ports[0]  # the first server, past the cable
        for port in self.ports:
            self._server(found, port)
        self.sentinel_ports = [_free_port() for _ in range(self._sentinels)]
        for port in self.sentinel_ports:
            self._sentinel(found, port)
        if self._sentinels:
            wait_for(self._settled)
        else:
            wait_for(lambda: self._replicas() == 2)

    def _admit_the_test(self) -> None:
        """A user of the test's own, to see what the servers refused; no test shows anything by it alone."""
        with (self.folder / "users.acl").open("a") as users:
            users.write(f"user {self.factory}-test on >test allkeys allchannels +@all\n")
        (self.folder / "passwords/test").write_text("test")

    def _server(self, found: Programs, port: int) -> None:
        master = port == self.ports[0]
        reached = ["--replica-announce-port", str(self.cable.port if master else port)]
        follow = [] if master else ["--replicaof", f"{HOST} {self.cable.port}"]
        conf = self._moved("redis.conf", port)
        quick = ["--repl-diskless-sync-delay", "0"]
        self._child(found, [found.server, str(conf), "--tls-port", str(port), *reached, *follow, *quick])

    def _sentinel(self, found: Programs, port: int) -> None:
        conf = self._moved("sentinel.conf", port)
        self._child(found, [found.sentinel, str(conf), "--tls-port", str(port)])

    def _moved(self, name: str, port: int) -> Path:
        """The file with this server's own places."""
        folder = self.folder / str(port)
        folder.mkdir()
        text = (self.folder / name).read_text()
        text = re.sub(r"/etc/redis/tls/\w+\.pem", str(self.ca), text)
        text = text.replace("/etc/redis/", f"{self.folder}/").replace("/var/lib/redis", str(folder))
        text = text.replace(f"monitor apf {HOST} 6379", f"monitor apf {HOST} {self.cable.port}")
        text = text.replace("down-after-milliseconds apf 5000", "down-after-milliseconds apf 2000")
        (folder / name).write_text(text)
        return folder / name

    def _child(self, found: Programs, argv: list[str]) -> None:
        with Path(argv[1]).with_suffix(".log").open("wb") as out:
            child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv], stdout=out, stderr=out, env=os.environ | found.environment
            )
        self._exits.callback(_stop, child)
        self._children[argv[1]] = child

    def _replicas(self) -> int:
        for conf, child in self._children.items():
            assert child.poll() is None, Path(conf).with_suffix(".log").read_text()
        try:
            with reaching():
                said: Any = self.address("host", self.alone).client().info("replication")
        except Unreachable:
            return 0
        return sum(said.get(f"slave{n}", {}).get("state") == "online" for n in range(2))

    def _settled(self) -> bool:
        """Every Sentinel knows both replicas and the other Sentinels."""
        return self._replicas() == 2 and all(self._knows(port) for port in self.sentinel_ports)

    def _knows(self, port: int) -> bool:
        client = redis.Redis(HOST, port, ssl=True, ssl_ca_certs=str(self.ca), decode_responses=True)
        try:
            with reaching():
                said: Any = client.sentinel_masters()
        except Unreachable:
            return False
        finally:
            client.close()
        facts = said["apf"]
        return facts["num-slaves"] == 2 and facts["num-other-sentinels"] == self._sentinels - 1


@contextmanager
def redis_site(folder: Path, sentinels: int = 3) -> Iterator[RedisSite]:
    with RedisSite(folder, sentinels) as site:
        yield site


def _fill(factory: str, folder: Path) -> None:
    argv = ["sh", str(FILES / "fill.sh"), factory, HOST, HOST, str(folder)]
    subprocess.run(argv, check=True, timeout=30)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGCONT)
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _certificate(folder: Path) -> Path:
    """For `localhost`, signed by itself; with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "all.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
