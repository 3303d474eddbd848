"""Holds as tags on instances: the cloud is asked to keep them, and to drop them, until its listing shows it so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

import structlog

from actors.clouds.port import Cloud, CloudError, KeepsHolds
from actors.fleet.hold_tags import to_tag
from actors.fleet.vm import Vm
from actors.retirement import vm_calls
from actors.retirement.answers import PAUSES_S, Answers, Caller
from actors.retirement.seat import CloudSeat
from actors.runtime.freeze_file import FrozenHere
from actors.runtime.pauses import pause_s
from actors.runtime.services import Services
from actors.store.vms import Registry

MOST_AT_ONCE = 100  # instances a call

log = structlog.get_logger("retirement")


class HoldMarks:
    def __init__(self, caller: Caller, services: Services, answers: Answers, clouds: Mapping[str, Cloud]) -> None:
        self._caller, self._answers, self._clouds = caller, answers, clouds
        self._config, self._now, self._gauges = services.config, services.now, services.gauges

    def mark(self, seat: CloudSeat, registry: Registry) -> None:
        cloud = self._clouds[seat.name]
        if isinstance(cloud, KeepsHolds):
            self._ask(seat, registry, cloud)
        elif any(vm.held and vm.alive for vm in registry.vms()):
            _unmarked(registry, f"clouds of kind {self._config.clouds[seat.name].kind} cannot keep them")
        else:
            registry.judged.unmarked = ""

    def _ask(self, seat: CloudSeat, registry: Registry, cloud: KeepsHolds) -> None:
        marks, listed = seat.state.marks, seat.state.sightings.listed
        wanted = to_tag(registry.vms(), listed.instances) if listed else {}
        registry.judged.unmarked = marks.failed if wanted else ""
        if listed is None or time.monotonic() < marks.not_before:
            return
        for tag, vms in wanted.items():
            due = [vm for vm in vms if listed.at > marks.asked.get(vm.id, 0.0)][:MOST_AT_ONCE]
            ids, allowed = [vm.instance_id for vm in due], self._answers.allowed(seat)
            call = partial(vm_calls.mark_held, cloud, ids, tag, allowed)
            if due:
                self._caller.call(seat, "end", f"tag {seat.name} {tag}", call, partial(self._marked, seat, due))

    def _marked(self, seat: CloudSeat, vms: list[Vm], got: Exception | None) -> None:
        """Only a listing begun after this can show it. What failed is tried again, later each time."""
        marks = seat.state.marks
        if got is None:
            marks.asked.update(dict.fromkeys((vm.id for vm in vms), self._now()))
            marks.failed, marks.tries = "", 0
        elif isinstance(got, CloudError):
            marks.not_before = time.monotonic() + pause_s(PAUSES_S, marks.tries)
            marks.failed, marks.tries = f"{type(got).__name__}: {got}", marks.tries + 1
            self._gauges.errors.labels(seat.name, type(got).__name__).inc()
            _unmarked(self._answers.registry(seat), marks.failed)
        elif not isinstance(got, FrozenHere):
            raise got


def _unmarked(registry: Registry, why: str) -> None:
    if not registry.judged.unmarked:
        log.warning("holds stand in rows only", cloud=registry.cloud, why=why)
    registry.judged.unmarked = why
