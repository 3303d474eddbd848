"""The services of configs/http-json.toml, by stored answers.

RabbitMQ's (3.10.8, management) and Flower's (2.0) were given by the real ones. Those of DiracX, HTCondor-CE View and
slurmrestd are as their documents or sources say.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from actors.config.schema import HttpJsonPool
from actors.pools.http_json.source import HttpJson
from actors.pools.port import PoolAway
from tests.actors.pools.http_service import Asked, Reply, Service

CONFIG = tomllib.loads((Path(__file__).parents[4] / "configs/http-json.toml").read_text())
ANSWERS = Path(__file__).parent / "answers"
SECRETS = ("password", "token", "ca", "proxy")
KNOWN = [  # pool, its answer, queue, idle and running
    ("rabbit", "rabbitmq", "atlas", 3, 0),
    ("flower", "flower", "celery", 5, 0),
    ("diracx", "diracx", "dirac", 15, 5),
    ("ce-view", "ce-view", "ce", 7, 41),
    ("slurm", "slurmrestd", "grid", 2, 1),
]


@pytest.mark.parametrize(("pool", "answer", "queue", "idle", "running"), KNOWN, ids=lambda one: str(one))
def test_an_example_reads_what_its_service_says(
    pool: str, answer: str, queue: str, idle: int, running: int, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    asked: list[Asked] = []

    def says(one: Asked) -> Reply:
        asked.append(one)
        return Reply(body=(ANSWERS / f"{answer}.json").read_bytes())

    with Service(says) as service:
        keys = {name: value for name, value in CONFIG["pools"][pool].items() if name not in ("ca", "proxy")}
        keys |= {name: f"file:{secret}" for name in ("password", "token") if name in keys}
        settings = HttpJsonPool.model_validate({**keys, "url": f"{service.url}/here"})
        seen = HttpJson(pool, settings, ((queue, CONFIG["queues"][queue]["jobs"]),)).jobs(7.0)
    assert not seen.of(queue).unread
    assert (sum(one.idle for one in seen.classes), sum(one.running for one in seen.classes)) == (idle, running)
    assert (asked[0].method == "POST") is ("body" in keys)


def test_a_jobs_size_is_read_where_the_service_tells_it() -> None:
    with Service(lambda _: Reply(body=(ANSWERS / "slurmrestd.json").read_bytes())) as service:
        keys = {name: value for name, value in CONFIG["pools"]["slurm"].items() if name != "token"}
        settings = HttpJsonPool.model_validate({**keys, "url": service.url})
        seen = HttpJson("slurm", settings, (("grid", 'partition == "grid"'),)).jobs(7.0)
    assert {(one.request.cpus, one.request.memory_mib): one.idle for one in seen.classes} == {(8, 16_000): 1, (1, 0): 1}


@pytest.mark.parametrize("pool", [one[0] for one in KNOWN])
def test_an_error_in_json_is_never_zero(pool: str) -> None:
    queue = next(name for name, one in CONFIG["queues"].items() if one["pool"] == pool)
    error = {"error": "not_authorized", "errors": [{"error": "down"}], "jobs": [], "detail": "Internal Server Error"}
    with Service(lambda _: Reply(body=json.dumps(error).encode())) as service:
        keys = {name: value for name, value in CONFIG["pools"][pool].items() if name not in SECRETS}
        settings = HttpJsonPool.model_validate({**keys, "url": service.url, "user": ""})
        source = HttpJson(pool, settings, ((queue, CONFIG["queues"][queue]["jobs"]),))
        assert unknown(source, queue)


def unknown(source: HttpJson, queue: str) -> bool:
    try:
        return bool(source.jobs(7.0).of(queue).unread)
    except PoolAway:
        return True
