"""The example that starts startds where the factory runs: they join a real pool by the product's own user-data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.clouds.port import NoCapacity, Spent
from actors.clouds.script.cloud import Script
from actors.clouds.worker.user_data import Worker, render, template
from deploy.lab.pool import daemon_config
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import lab_directory, lab_user
from tests.actors.clouds.conformance import order, started, states
from tests.actors.clouds.script.test_script import script
from tests.condor_pool import lab_pool  # noqa: F401
from tests.late import within

EXAMPLE = Path(__file__).parents[4] / "deploy/examples/scripts/local_startd.py"
pytestmark = pytest.mark.lab


def more(pool: LabPool) -> str:
    """What only a machine with an unpacked HTCondor, and a lab, has to say."""
    programs = daemon_config.places(pool.prefix, Path("/")).partition("LOCAL_DIR")[0]
    quick = daemon_config.interface() + daemon_config.pace(pool.pace)
    alone = "STARTD_HAS_BAD_UTMP = true\nCONSOLE_DEVICES =\nBASE_CGROUP =\nSEC_USE_FAMILY_SESSION = false\n"
    return programs + quick + alone


@pytest.fixture
def here(lab_pool: LabPool, factory: str) -> Iterator[Script]:  # noqa: F811
    user = lab_user()
    environment = {
        "CONDOR_SBIN": str(lab_pool.prefix / "usr/sbin"),
        "CONDOR_MORE": more(lab_pool),
        "RUN_AS": f"{user.uid}.{user.gid}",
    }
    with lab_directory() as folder:
        command = [sys.executable, str(EXAMPLE), str(folder), "2", "1"]
        cloud = script("here", factory, command=command, environment=environment)
        yield cloud
        cloud.end(list(states(cloud)))
        within(30, "all have ended", lambda: set(states(cloud).values()) <= {"terminated"})


def test_a_startd_that_a_script_starts_joins_the_pool_by_its_user_data_and_ends(
    here: Script,
    lab_pool: LabPool,  # noqa: F811
    factory: str,
) -> None:
    facts = Worker(
        factory=factory, cloud="here", queue="atlas", collector=lab_pool.collector, token=lab_pool.worker_token(),
        start="true", trust_domain="lab",
    )  # fmt: skip
    asked = order(count=3, user_data=render(template(), facts))
    two = started(here, asked)
    assert [one.index for one in two] == [0, 1]
    with pytest.raises(NoCapacity, match="no more are allowed"):
        started(here, order("intent-2"))

    def joined() -> set[str]:
        return set(lab_pool.tool("condor_status", "-af", "CloudInstanceID", "APFQueue").splitlines())

    def story() -> str:
        logs = sorted(Path(here._config.command[2]).glob("*/log/*"))
        return "\n".join(f"{log.parts[-3]} {log.name}: {log.read_text()[-1500:]}" for log in logs)

    within(40, "both join", lambda: {f"{one.id} atlas" for one in two} <= joined(), poll_s=0.3, story=story)
    assert here.end([two[0].id]) == (two[0].id,)
    within(30, "it ends", lambda: states(here)[two[0].id] == "terminated")
    assert states(here)[two[1].id] == "running"
    here.end([two[1].id])
    within(30, "both have ended", lambda: set(states(here).values()) == {"terminated"})
    with pytest.raises(Spent):
        started(here, asked)
