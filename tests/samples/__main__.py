"""`python -m tests.samples` writes this version's sample: what it leaves in Redis, and how it is to be read.

Run it before a release, and never again for that version: a later version's tests hold its code against the file.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from actors.runtime.messages import KINDS
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.mail.mailboxes import Mailer
from broker.posts.hosts import HostInfo, Hosts
from broker.posts.leases import Leases, Term
from broker.rows.document import Document
from broker.rows.table import Put, Table
from tests.samples.shapes import SHAPES, Shape, message, plain

FACTORY = "sample"
HOLDER = "host1#0a1b2c3d"
HERE = Path(__file__).parent
HOST = HostInfo(
    host="host1", incarnation="0a1b2c3d", version="1", posts=("cloud/*",), started_at=1.5, config_generation=2
)
CONFIG = b'{"clouds": {}}'


def write(site: Site) -> None:
    """Everything that a factory keeps in Redis, by the code that a factory uses."""
    client = site.client()
    table, leases = Table(client, site), Leases(client, site, HOLDER, 3600.0)
    for post in sorted({shape.post for shape in SHAPES if shape.post}):
        term = leases.acquire(post)
        assert isinstance(term, Term)
        table.write(term, [_put(shape) for shape in SHAPES if shape.post == post])
    for shape in SHAPES:
        if not shape.post:
            table.put_once(shape.kind, shape.key, shape.pack(shape.made))
    Hosts(client, site).beat(HOST, within_s=1.0)
    Document(client, site, "config").replace(CONFIG, 0, HOLDER)
    _send(site)


def _send(site: Site) -> None:
    clock = RedisClock(site.client())
    clock.sync()
    mailer = Mailer(site, KINDS, HOLDER, clock)
    for kind in KINDS:
        mailer.send(f"sample@{kind}", message(kind))
    mailer.close()


def _put(shape: Shape) -> Put:
    return Put(kind=shape.kind, key=shape.key, body=shape.pack(shape.made), expected_version=0)


def dump(site: Site) -> dict[str, Any]:
    """Every key of the factory, as Redis has it; bytes as base64."""
    client: Any = site.client()
    keys = sorted(client.scan_iter(f"{site.prefix}*"))
    readers = {
        b"hash": lambda key: {_text(name): _text(body) for name, body in sorted(client.hgetall(key).items())},
        b"zset": lambda key: {_text(name): score for name, score in client.zrange(key, 0, -1, withscores=True)},
        b"list": lambda key: [_text(item) for item in client.lrange(key, 0, -1)],
    }
    kinds = {key: client.type(key) for key in keys}
    return {key.decode(): {"type": kinds[key].decode(), "holds": readers[kinds[key]](key)} for key in keys}


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def sample(site: Site) -> dict[str, Any]:
    return {
        "version": version("autopyfactory-cloud"),
        "rows": {shape.place: plain(shape.made) for shape in SHAPES},
        "mail": {kind: message(kind).model_dump(mode="json") for kind in KINDS},
        "keys": dump(site),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(folder, port=0) as server:
        site = Site(address=server.address, factory=FACTORY)
        write(site)
        made = sample(site)
    path = HERE / f"{made['version']}.json"
    path.write_text(json.dumps(made, indent=1) + "\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
