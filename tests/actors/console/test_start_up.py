"""What a command loads before it answers: half of a second goes in libraries that nobody asked for."""

from __future__ import annotations

import subprocess
import sys

from actors.fleet.vm import State
from tests.actors.console.factory_file import FactoryFile
from tests.actors.console.factory_rows import Rows

NEEDLESS = (
    "redis.asyncio.client",  # redis-py brings it along with the other half
    "rich.traceback", "rich.pretty", "attr",  # structlog's, for tracebacks that are not shown
    "actors.policies.provisioning.matchmaking", "htcondor2",  # what evaluates jobs' expressions
    "actors.config.policy_rules", "actors.host.host", "boto3", "botocore", "kombu", "pykka", "yaml",
)  # fmt: skip
STATUS = """
import sys
from actors.cli import app
app(["status", sys.argv[1]], standalone_mode=False)
print("LOADED", *sys.modules)
"""


def test_status_loads_what_it_shows_and_nothing_that_decides_acts_or_calls(file: FactoryFile, rows: Rows) -> None:
    rows.vm("private", State.READY)
    done = subprocess.run([sys.executable, "-c", STATUS, file.path], capture_output=True, text=True, timeout=60)
    shown, _, loaded = done.stdout.partition("LOADED ")
    assert "private" in shown, done.stderr
    assert not set(NEEDLESS) & set(loaded.split())


def test_the_half_of_redis_py_that_is_left_out_comes_when_it_is_asked_for() -> None:
    """A library beside us may use it, and get the real one."""
    asked = "import broker, redis, sys; print(type(redis.asyncio.Redis.from_url('redis://h')).__module__)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "redis.asyncio.client", done.stderr
