"""One simulated run: a trace, clouds, and somebody who decides."""

from __future__ import annotations

from collections.abc import Sequence

import simpy

from actors.fleet.vm import State
from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome, Sample
from actors.simulator.scaler import Scaler
from actors.simulator.world import STOCK_POOL, CloudModel, Events, PoolModel, SimulatedSite

SAMPLE_S = 60.0
PATIENCE_S = 2 * 86_400.0  # without a job that ends: jobs that nobody can run must not keep a run alive
TRIES = 3  # of the longest job, where VMs are reclaimed again and again
TAIL_S = 3_600.0  # after the last job has ended: who keeps VMs then pays for them that long


def simulate(
    jobs: Sequence[Job], clouds: Sequence[CloudModel], scaler: Scaler, *, pool: PoolModel = STOCK_POOL, seed: int = 1
) -> RunOutcome:
    """Run until all jobs are done, or none can be, and all VMs have ended."""
    env = simpy.Environment()
    world = SimulatedSite(env, jobs, clouds, pool=pool, seed=seed)
    env.process(_samples(world))
    env.run(until=env.process(_scans(world, scaler, jobs)))
    return world.meter.outcome(scaler.name, world.left, env.now)


def _scans(world: SimulatedSite, scaler: Scaler, jobs: Sequence[Job]) -> Events:
    submitted_s, longest_s = (jobs[-1].at_s if jobs else 0.0), max((job.runtime_s for job in jobs), default=0.0)
    decided = -1
    while world.left or any(world.machines.values()):
        last_s = max(submitted_s, world.meter.last_end_s)
        patience_s = PATIENCE_S + TRIES * longest_s if any(world.running.values()) else PATIENCE_S
        if world.env.now >= last_s + (patience_s if world.left else TAIL_S):
            break
        if world.changes != decided or restless(scaler, world):
            decided = world.changes
            world.apply(scaler.scale(world))
        yield world.env.timeout(scaler.interval_s)
    world.finish()


def restless(scaler: Scaler, world: SimulatedSite) -> bool:
    """Whether the scaler may say something else though nothing happened. One that does not tell may, unless all VMs are
    full and nothing waits.
    """
    if any(cloud.waits for cloud in world.clouds.values()):
        return True
    if told := getattr(scaler, "restless", None):
        return bool(told(world))
    unused = (m.state is not State.READY or not m.jobs for vms in world.machines.values() for m in vms.values())
    return any(world.waiting.values()) or any(unused)


def _samples(world: SimulatedSite) -> Events:
    while True:
        world.meter.samples.append(
            Sample(
                at_s=world.env.now,
                waiting=sum(map(len, world.waiting.values())),
                running=sum(world.running.values()),
                vms={cloud: len(machines) for cloud, machines in world.machines.items()},
            )
        )
        yield world.env.timeout(SAMPLE_S)
