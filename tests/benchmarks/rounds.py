"""One whole round at 10,000 VMs: reading in, wants out; and what a host of that size takes.

10,000 VM rows are written directly, their startds' ads are advertised to a real collector, an EC2 endpoint lists them,
20,000 jobs wait in a real schedd. Every ten seconds a tenth of the workers changes from busy to free or back. A round
is counted from the beginning of the jobs query to the moment when every queue's scheduler has decided on what the
clouds' holders made of the startds' reading. The raw queries are made between the rounds, of the same pool at work.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from actors.fleet.vm import State, Vm
from actors.fleet.want import Want
from actors.pools.htcondor.child_lanes import Lane
from actors.store.codec import pack
from actors.store.wants import want_row
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table
from deploy.lab.pool.access_point import LabJob
from tests.benchmarks.endpoint import Instance
from tests.benchmarks.figures import Figure
from tests.benchmarks.reading import lanes
from tests.benchmarks.site import NAME, BenchHost, BenchSite, Note, cpu_s, memory_mb, until

VMS, JOBS = 10_000, 20_000
QUEUES = tuple(f"q{number}" for number in range(10))
CLOUDS = ("private", "spot")
ROUNDS = 6
INTERVAL_S = 10.0
STAGES = (("startds", 1), ("startds written", 1), ("retirement", len(CLOUDS)), ("scheduler", len(QUEUES)))
MOST_BEYOND_S, MOST_MB = 1.0, 300.0


def figures() -> list[Figure]:
    with BenchSite() as site:
        shape = {"shape": {"cpus": 8, "memory_mib": 16_384}, "max_vms": VMS // len(CLOUDS)}
        stay = {"release_after_s": 86_400.0}
        config = site.config(QUEUES, CLOUDS, pool={"interval_s": INTERVAL_S}, cloud=shape, queue=stay)
        seed(site)
        for queue in QUEUES:
            site.pool.submit([LabJob(seconds=600, queue=queue)] * (JOBS // len(QUEUES)))
        lane, worker = lanes(site.pool, site.directory, site.tokens)
        try:
            worker.call("advertise", VMS, 0)
            until(lambda: lane.call("startds")[0] >= VMS, f"{VMS} ads in the collector")
            host = site.host(config, stalls=True)
            try:
                return _measure(host, worker, lambda: _raw_s(site, lane))
            finally:
                host.close()
        finally:
            lane.close()
            worker.close()


def _measure(host: BenchHost, worker: Lane, raw_s: Callable[[], float]) -> list[Figure]:
    host.start()
    until(lambda: len(list(rounds(host.notes()))) >= 1, f"a first round: {host.text()[-2000:]}", 120)
    before = len(list(rounds(host.notes())))
    used, since, raws = cpu_s(host.pid), time.monotonic(), []
    for turn in range(1, ROUNDS + 1):
        worker.call("advertise", VMS, turn)
        time.sleep(INTERVAL_S / 2)
        raws.append(raw_s())
        time.sleep(INTERVAL_S / 2)
    busy = (cpu_s(host.pid) - used) / (time.monotonic() - since) * 100
    notes = host.notes()
    found_rounds = list(rounds(notes))[before:]
    took = [one.took for one in found_rounds]
    children = host.children()
    _tell(notes, took)
    stalls = [note.ended - note.began for note in notes if note.what == "stall"]
    found = [
        Figure(
            what=f"a round at {VMS} VMs, reading in to wants out, median of {len(took)}",
            raw=statistics.median(raws),
            ours=statistics.median(took),
            unit="s",
            judge="beyond",
            limit=MOST_BEYOND_S,
        ),
        Figure(what="- the host's CPU on its way", ours=statistics.median(one.used for one in found_rounds), unit="s"),
        Figure(what="- the longest stall of a thread in 5 s, median", ours=statistics.median(stalls) * 1e3, unit="ms"),
        Figure(what="- the host's own use of a core meanwhile", ours=busy, unit="%"),
        Figure(what="memory of the host, the most", ours=memory_mb(host.pid, "VmHWM"), unit="MB", limit=MOST_MB),
        Figure(what=f"memory of its {len(children)} children, together", ours=sum(map(memory_mb, children)), unit="MB"),
    ]
    host.stop()
    return found


class Round(NamedTuple):
    """`used`: seconds of a core on the way, in the host alone. Unlike what it took, other programs do not add to it."""

    took: float
    used: float


def rounds(notes: Sequence[Note]) -> Iterator[Round]:
    """Each round that was ended, by the parts on its way, in their order."""
    jobs = [note for note in notes if note.what == "jobs"]
    for first, following in pairwise(jobs):
        way, since = [first], first.ended
        for what, posts in STAGES:
            stage = _first_of_each(notes, what, since, posts)
            if not stage or (posts == 1 and stage[0].began > following.began):
                break
            way += stage
            since = max(note.ended for note in (_published(notes, stage) if what == "retirement" else stage))
        else:
            yield Round(since - first.began, sum(note.used for note in way))


def _published(notes: Sequence[Note], looks: Sequence[Note]) -> list[Note]:
    """When the looks' views were written: the schedulers are woken then, before the looks are over."""
    written = [note for note in notes if note.what == "views"]
    return [
        max(
            (one for one in written if one.whose == look.whose and look.began <= one.began <= look.ended),
            key=lambda one: one.ended,
            default=look,
        )
        for look in looks
    ]


def _first_of_each(notes: Sequence[Note], what: str, since: float, posts: int) -> list[Note]:
    """Each post's first look or reading of this kind that began after `since`; none if one is missing."""
    found: dict[str, Note] = {}
    for note in sorted((note for note in notes if note.what == what and note.began >= since), key=lambda n: n.began):
        found.setdefault(note.whose, note)
    return list(found.values()) if len(found) == posts else []


def seed(site: BenchSite) -> None:
    """The rows and the instances of VMs that joined long ago, and the wants that they were started for."""
    client = site.redis_site.client()
    table, leases = Table(client, site.redis_site), Leases(client, site.redis_site, "seed#1", 60)
    now = time.time()
    for cloud in CLOUDS:
        numbers = range(CLOUDS.index(cloud), VMS, len(CLOUDS))
        term = leases.acquire(f"cloud/{cloud}")
        assert isinstance(term, Term)
        rows = [_vm(number, cloud, now) for number in numbers]
        table.write(term, [Put(kind="vm", key=vm.id, body=pack(vm), expected_version=None) for vm in rows])
        leases.release(term)
        site.endpoint.seed(_instance(vm) for vm in rows)
    for queue in QUEUES:
        term = leases.acquire(f"queue/{queue}")
        assert isinstance(term, Term)
        table.write(term, [want_row(_want(queue, cloud, now)) for cloud in CLOUDS])
        leases.release(term)


def _want(queue: str, cloud: str, now: float) -> Want:
    """They have been wanted, so what is too many now is kept for its time: these startds could not be drained."""
    return Want(queue=queue, cloud=cloud, n=VMS // len(CLOUDS) // len(QUEUES), at=now - 4000, changed=now - 4000)


def _vm(number: int, cloud: str, now: float) -> Vm:
    return Vm(
        id=f"seed{number}-0",
        cloud=cloud,
        queue=QUEUES[number // len(CLOUDS) % len(QUEUES)],
        state=State.READY,
        since=now - 3600,
        born=now - 4000,
        reason=f"startd w{number}.bench joined",
        intent=f"seed{number}",
        instance_id=f"i-{number:017x}",
        machine=f"w{number}.bench",
        joined=now - 3600,
    )


def _instance(vm: Vm) -> Instance:
    tags = {"apf:factory": NAME, "apf:cloud": vm.cloud, "apf:queue": vm.queue, "apf:intent": vm.intent}
    return Instance(id=vm.instance_id, index=0, token=vm.intent, tags=tags)


def _raw_s(site: BenchSite, raw: Lane) -> float:
    """Both raw queries, one after the other, as a round makes them."""
    address = site.pool.access_points[0].address
    return float(raw.call("groups", address)[1]) + float(raw.call("startds")[1])


def _tell(notes: Sequence[Note], took: Sequence[float]) -> None:
    sys.stdout.write(f"  rounds: {', '.join(f'{one:.2f}' for one in took)} s\n")
    for what in ("jobs", "startds", "startds written", "listing", "retirement", "scheduler", "submitter"):
        found = [note for note in notes if note.what == what]
        took_s, used_s = [note.ended - note.began for note in found], [note.used for note in found]
        if found:
            sys.stdout.write(
                f"  {what}: {len(found)} times, median {statistics.median(took_s):.3f} s, most {max(took_s):.3f} s, "
                f"of a core: median {statistics.median(used_s):.3f} s, all {sum(used_s):.1f} s\n"
            )
