"""One simulated run: a trace, clouds, and somebody who decides."""

from __future__ import annotations

from collections.abc import Sequence

import simpy

from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome, Sample
from actors.simulator.scaler import Scaler
from actors.simulator.world import CloudModel, Events, SimulatedSite

SAMPLE_S = 60.0
PATIENCE_S = 2 * 86_400.0  # after the last submission: jobs that nobody can run must not keep a run alive
TAIL_S = 3_600.0  # after the last job has ended: who keeps VMs then pays for them that long


def simulate(
    jobs: Sequence[Job], clouds: Sequence[CloudModel], scaler: Scaler, *, cycle_s: float = 20.0, seed: int = 1
) -> RunOutcome:
    """Run until all jobs are done and all VMs have ended. `cycle_s` is the negotiator's."""
    env = simpy.Environment()
    world = SimulatedSite(env, jobs, clouds, cycle_s=cycle_s, seed=seed)
    limit_s = (jobs[-1].at_s if jobs else 0.0) + PATIENCE_S
    env.process(_samples(world))
    env.run(until=env.process(_scans(world, scaler, limit_s)))
    return world.meter.outcome(scaler.name, world.left, env.now)


def _scans(world: SimulatedSite, scaler: Scaler, limit_s: float) -> Events:
    while world.env.now < limit_s and (world.left or any(world.machines.values())):
        limit_s = limit_s if world.left else min(limit_s, world.meter.last_end_s + TAIL_S)
        world.apply(scaler.scale(world))
        yield world.env.timeout(scaler.interval_s)
    world.finish()


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
