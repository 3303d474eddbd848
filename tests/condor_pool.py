"""Real HTCondor pools for tests. Import the fixtures into a conftest.py or a test module:

    from tests.condor_pool import condor, fresh_pool, lab_pool, lab_site, fresh_site, plain_node  # noqa: F401

`lab_pool` is one pool for the whole session: leave its queue as you found it. `fresh_pool` makes one for a test
(half a second), with several schedds or at HTCondor's stock intervals, to be frozen and killed at will. `lab_site` is
a whole site (pool, EC2 API, hypervisor) for the session, `fresh_site` makes one for a test (about 2 s).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.pool.condor import NotDebian, condor_prefix
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.node import Hardware, Node
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import lab_directory
from deploy.lab.site import Site
from tests.late import within

PoolMaker = Callable[..., LabPool]
NodeMaker = Callable[..., Node]
SiteMaker = Callable[..., Site]

PLAIN_WORKER = """
DAEMON_LIST = MASTER, STARTD
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_READ_AUTHENTICATION = OPTIONAL
SEC_READ_INTEGRITY = OPTIONAL
SEC_DEFAULT_INTEGRITY = REQUIRED
SEC_DEFAULT_ENCRYPTION = OPTIONAL
ALLOW_READ = *
ALLOW_WRITE =
ALLOW_DAEMON =
ALLOW_ADMINISTRATOR =
CCB_ADDRESS = $(COLLECTOR_HOST)
STARTD_ATTRS = $(STARTD_ATTRS) CloudInstanceID APFQueue
APFQueue = "atlas"
START = true
MAXJOBRETIREMENTTIME = 315360000
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = true
"""


def until(condition: Callable[[], object], what: str, limit_s: float = 120.0) -> None:
    """Wait for a condition; NotWithin says `what` was waited for."""
    within(limit_s, what, condition, poll_s=0.1)


@pytest.fixture(scope="session")
def condor() -> Path:
    """An unpacked HTCondor. Skips where there are no Debian packages for this system; else it must be there."""
    try:
        return condor_prefix()
    except NotDebian as reason:
        pytest.skip(str(reason))


@pytest.fixture
def fresh_pool(condor: Path) -> Iterator[PoolMaker]:
    """fresh_pool(pace="quick", schedds=1, prefix=None) -> a started LabPool of the test's own."""
    with ExitStack() as stack:

        def make(pace: Pace | str = Pace.QUICK, schedds: int = 1, prefix: Path | None = None) -> LabPool:
            directory = stack.enter_context(lab_directory())
            pool = LabPool(directory, pace, schedds=schedds, prefix=prefix or condor)
            return stack.enter_context(pool)

        yield make


@pytest.fixture(scope="session")
def lab_pool(condor: Path) -> Iterator[LabPool]:
    """One quick pool with one schedd, shared by the session's tests."""
    with lab_directory() as directory, LabPool(directory, prefix=condor) as pool:
        yield pool


@pytest.fixture
def plain_node() -> Iterator[NodeMaker]:
    """plain_node(pool, "i-1", cpus=1, settings={...}) -> a Node that has joined the pool; killed after the test.

    Its configuration is PLAIN_WORKER plus CloudInstanceID = its name; `settings` are configuration read at the end.
    """
    with ExitStack() as stack:

        def boot(
            pool: LabPool, name: str, *, cpus: int = 1, settings: dict[str, str] | None = None, joins: bool = True
        ) -> Node:
            node = Node(prefix=pool.prefix, directory=pool.directory / name, user=pool.user, name=name)
            config = f'{PLAIN_WORKER}COLLECTOR_HOST = {pool.collector}\nCloudInstanceID = "{name}"\n'
            node.write("/etc/condor/config.d/50-apf.conf", config)
            node.write("/etc/condor/tokens.d/apf", pool.worker_token() + "\n", 0o600)
            stack.callback(node.kill)
            node.start(hardware=Hardware(cpus=cpus), pace=pool.pace, settings=settings)
            if joins:
                until(lambda: name in pool.tool("condor_status", "-af", "CloudInstanceID"), f"{name} joins")
            return node

        yield boot


@pytest.fixture(scope="session")
def lab_site(condor: Path) -> Iterator[Site]:
    """One quick site shared by the session's tests: end the instances that you start."""
    with Site(prefix=condor) as site:
        yield site


@pytest.fixture
def fresh_site(condor: Path) -> Iterator[SiteMaker]:
    """fresh_site(pace="quick", schedds=1, regions=(...), types={...}) -> a Site of the test's own, ready."""
    with ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> Site:
            return stack.enter_context(Site(*arguments, **{"prefix": condor, **options}))

        yield make
