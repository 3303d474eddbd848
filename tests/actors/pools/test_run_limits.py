"""Jobs beyond a limit of running jobs buy nothing, however many slots could come: held against real daemons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.observations import JobsSeen
from actors.policies.provisioning.matchmaking import load, reason
from actors.policies.rules import QueueRules
from actors.pools.htcondor.pool import Htcondor
from actors.pools.htcondor.rationed import granted
from deploy.lab.pool import pool as lab_pools
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.pool import LabPool
from tests.actors.pools.htcondor.condor_site import QUEUES, factory_pool
from tests.actors.pools.test_as_the_negotiator import CLOUD
from tests.condor_pool import NodeMaker, PoolMaker, condor, fresh_pool, plain_node, until  # noqa: F401

lab = pytest.mark.lab
SLOTS = {name: (("private", 0, CLOUD.slot),) for name, *_ in QUEUES}
LONG_S = 600.0


@contextmanager
def reading(site: LabPool, tokens: Path) -> Iterator[Htcondor]:
    pool = factory_pool(site, tokens)
    try:
        yield pool
    finally:
        pool.close()


def demand(seen: JobsSeen, queue: str) -> int:
    """Jobs that would buy."""
    of_queue = JobsSeen(source="p", at=1.0, classes=tuple(c for c in seen.classes if c.queue == queue), schedds=())
    return sum(load(QueueRules(name=queue, cascade=(("private",),)), of_queue, [CLOUD]).left)


def apart(seen: JobsSeen, queue: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in (one for one in seen.classes if one.queue == queue and one.apart and one.idle):
        found[one.apart] = found.get(one.apart, 0) + one.idle
    return found


def running(seen: JobsSeen) -> int:
    return sum(one.running for one in seen.classes)


def running_of(seen: JobsSeen, queue: str) -> int:
    return sum(one.running for one in seen.classes if one.queue == queue)


@lab
def test_a_schedd_at_its_limit_of_running_jobs_asks_for_nothing_more(
    fresh_pool: PoolMaker,  # noqa: F811
    plain_node: NodeMaker,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lab_pools, "_ACCESS_POINT", f"{lab_pools._ACCESS_POINT}\nMAX_JOBS_RUNNING = 3\n")
    site = fresh_pool()
    with reading(site, tmp_path / "tokens") as pool:
        site.submit([LabJob(queue="atlas", seconds=LONG_S)] * 4 + [LabJob(queue="cms", seconds=LONG_S)] * 4)
        before = pool.jobs(1.0, SLOTS)
        assert demand(before, "atlas") + demand(before, "cms") == 3
        assert min(demand(before, "atlas"), demand(before, "cms")) == 1, "neither queue is left out"

        plain_node(site, "i-1", cpus=8)
        until(lambda: running(pool.jobs(1.0, SLOTS)) == 3, "three run")
        for _ in range(2):  # the negotiator had its chance to run more
            cycles = site.tool("condor_status", "-negotiator", "-af", "LastNegotiationCycleEnd0")
            until(
                lambda c=cycles: site.tool("condor_status", "-negotiator", "-af", "LastNegotiationCycleEnd0") != c,
                "the negotiator comes once more",
            )
        full = pool.jobs(1.0, SLOTS)
    assert running(full) == 3
    assert (demand(full, "atlas"), demand(full, "cms")) == (0, 0)
    (why,) = apart(full, "atlas") | apart(full, "cms")
    assert "at most 3 jobs (MAX_JOBS_RUNNING)" in why
    one = next(one for one in full.classes if one.apart)
    assert reason(one, 2, [CLOUD]).startswith("2 jobs wait and buy nothing: their schedd ap1@lab runs at most 3 jobs")


@lab
def test_a_ceiling_a_quota_and_what_jobs_share_limit_demand_as_the_negotiator_does(
    fresh_pool: PoolMaker,  # noqa: F811
    plain_node: NodeMaker,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = "GROUP_NAMES = group_a\nGROUP_QUOTA_group_a = 2\nLICENCE_LIMIT = 2\n"
    monkeypatch.setattr(lab_pools, "_CENTRAL", f"{lab_pools._CENTRAL}\n{groups}")
    site = fresh_pool()
    grouped = {"AccountingGroup": '"group_a.me"', "AcctGroup": '"group_a"', "AcctGroupUser": '"me"'}
    licensed = {"ConcurrencyLimits": '"licence:1"'}
    with reading(site, tmp_path / "tokens") as pool:
        site.submit([LabJob(queue="cms", seconds=LONG_S, attributes=grouped)] * 4)
        site.submit([LabJob(queue="atlas", seconds=LONG_S, attributes=licensed)] * 3)
        user = f"{site.user.name}@lab"
        until(lambda: "group_a" in site.tool("condor_userprio", "-l"), "the negotiator tells of the group")
        until(lambda: demand(pool.jobs(1.0, SLOTS), "atlas") == 2, "the negotiator's configuration was read")
        seen = pool.jobs(1.0, SLOTS)
        assert demand(seen, "cms") == 2
        assert ["quota of its group" in why for why in apart(seen, "cms")] == [True]

        plain_node(site, "i-1", cpus=12, settings={"MEMORY": "4096"})
        until(lambda: running_of(pool.jobs(1.0, SLOTS), "atlas") == 2, "as many run as there are licences")
        until(lambda: demand(pool.jobs(1.0, SLOTS), "cms") == 0, "the negotiator told what the group uses")
        full = pool.jobs(1.0, SLOTS)
        assert (demand(full, "cms"), demand(full, "atlas")) == (0, 0)
        assert running_of(full, "atlas") == 2
        assert any("2 of 'licence'" in why for why in apart(full, "atlas"))

        site.submit([LabJob(queue="atlas", seconds=LONG_S)])
        site.tool("condor_userprio", "-setceil", user, "2")
        until(lambda: any("ceiling" in why for why in apart(pool.jobs(1.0, SLOTS), "atlas")), "the ceiling is seen")
        assert demand(pool.jobs(1.0, SLOTS), "atlas") == 0


members = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 3), st.sampled_from([1.0, 2.0, 0.5])), min_size=1, max_size=6
)


@given(members=members, room=st.floats(0, 40))
def test_room_is_never_passed_and_never_left_while_somebody_fits(
    members: list[tuple[int, int, float]], room: float
) -> None:
    given_ = granted(members, room)
    left = room - sum(n * weight for n, (_, _, weight) in zip(given_, members, strict=True))
    assert left >= -1e-6
    assert all(0 <= n <= idle for n, (idle, _, _) in zip(given_, members, strict=True))
    hungry = [weight for n, (idle, _, weight) in zip(given_, members, strict=True) if n < idle]
    assert not hungry or left < min(hungry) + 1e-6


def test_jobs_of_which_others_run_come_first_where_not_all_can_have_one() -> None:
    assert granted([(5, 0, 1.0), (5, 2, 1.0)], 1.0) == [0, 1]
    assert granted([(5, 0, 1.0), (5, 2, 1.0)], 4.0) == [2, 2]
