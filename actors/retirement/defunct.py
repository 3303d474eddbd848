"""Instances that run nothing, says their cloud, and still hold quota there: stopped from inside, or in error.

Their rows have ended, or there never were any; only an end call frees what they hold. What is held is left for who
looks at it. Right before the call the cloud is asked once more: somebody may have started one again, and it a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog

from actors.clouds.port import Cloud, CloudError
from actors.fleet.reconcile import ASK_AGAIN_S
from actors.retirement import vm_calls
from actors.retirement.answers import Answers, Caller
from actors.retirement.observe import Observed
from actors.retirement.seat import CloudSeat
from actors.runtime.freeze_file import FrozenHere
from actors.runtime.services import Services

MOST = 100  # in one call

log = structlog.get_logger("retirement")


class DefunctEnds:
    def __init__(self, caller: Caller, services: Services, answers: Answers, clouds: Mapping[str, Cloud]) -> None:
        self._caller, self._answers, self._clouds = caller, answers, clouds
        self._now, self._gauges = services.now, services.gauges

    def __call__(self, seen: Observed) -> None:
        seat, asked, due = seen.seat, seen.seat.state.defunct, _due(seen)
        if due:
            cloud, allowed = self._clouds[seat.name], self._answers.allowed(seat)
            asked.update(dict.fromkeys(due, seen.now))
            call = partial(vm_calls.end_defunct, cloud, due, seen.now, allowed)
            self._caller.call(seat, "end", f"end defunct {seat.name}", call, partial(self._answered, seat, due))

    def _answered(self, seat: CloudSeat, due: list[str], got: tuple[str, ...] | Exception) -> None:
        """What was not ended is asked for again in a while, as long as the listing shows it so."""
        if not isinstance(got, (tuple, CloudError, FrozenHere)):
            raise got
        if isinstance(got, CloudError):
            self._gauges.errors.labels(seat.name, type(got).__name__).inc()
        log.info("defunct instances", cloud=seat.name, asked=due, ended=got)


def _due(seen: Observed) -> list[str]:
    asked, listed = seen.seat.state.defunct, seen.sightings.listed
    there = [one.id for one in listed.instances if one.state == "defunct"] if listed else []
    for gone in asked.keys() - set(there):
        del asked[gone]
    held = {vm.instance_id for vm in seen.registry.vms() if vm.held} | seen.sightings.held_tags.keys()
    return [id_ for id_ in there if id_ not in held and seen.now - asked.get(id_, 0.0) >= ASK_AGAIN_S][:MOST]
