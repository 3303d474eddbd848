"""Retirement on a stage: a real Redis, a pool and a cloud in memory, calls made at once (see `stage`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors.config.schema import Config
from actors.config.told import told_of
from actors.fleet.observations import Failed, JobsSeen, Machine, Slot, StartdsSeen, drain_reason
from actors.fleet.shape import Shape
from actors.fleet.vm import State, Vm
from actors.pools.port import Drain, PoolAway, PoolRefused
from actors.retirement.actor import Retirement
from actors.retirement.seat import CloudSeat
from actors.retirement.sightings import Sightings
from actors.runtime.post_actor import Seat
from actors.runtime.post_office import PostOffice
from actors.runtime.publisher import Noticeboard
from actors.store.readings import write_startds
from broker.connection.address import Site
from tests.actors.stage import CONFIG, Stage

FREE = Slot(name="slot1", state="Unclaimed", activity="Idle", free=Shape(cpus=1))
BUSY = Slot(name="slot1", state="Claimed", activity="Busy", free=Shape(cpus=1))


class TwinPool:
    """A pool in memory. `silent`: startds that do not answer; `jobs`: what schedds say runs on a machine."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.silent: set[str] = set()
        self.refusing: dict[str, str] = {}
        self.jobs_there: dict[str, int] = {}
        self.schedds_away = False
        self.away = False  # no startd can be asked to drain
        self.drains: list[str] = []
        self.cancels: list[str] = []
        self.evicts: list[str] = []

    def jobs(self, now: float) -> JobsSeen:
        raise NotImplementedError

    def startds(self, now: float) -> StartdsSeen:
        return StartdsSeen(source="pool/local", at=now, machines=tuple(self.machines.values()))

    def joined(self, instance_ids: tuple[str, ...]) -> tuple[Machine, ...]:
        return tuple(machine for machine in self.machines.values() if machine.instance_id in instance_ids)

    def drain(self, order: Drain) -> str:
        if self.away:
            raise PoolAway("no answer")
        if order.machine in self.refusing:
            raise PoolRefused(self.refusing[order.machine])
        self.drains.append(order.nonce)
        self.show(order.machine, draining=True, drain_reason=drain_reason(order.nonce), request_id="1")
        return "1"

    def show(self, name: str, **changes: Any) -> None:
        """The slots of a machine as they are from now on; a free one that drains is Drained at once."""
        machine = self.machines[name]
        slots = [replace(slot, **changes) for slot in machine.slots]
        slots = [replace(s, state="Drained") if s.draining and s.state == "Unclaimed" else s for s in slots]
        self.machines[name] = replace(machine, slots=tuple(slots))

    def job_ends(self, name: str) -> None:
        drains = self.machines[name].slots[0].draining
        self.show(name, state="Drained" if drains else "Unclaimed", activity="Idle")

    def cancel(self, order: Drain, request_id: str) -> None:
        self.cancels.append(order.nonce)
        machine = self.machines[order.machine]
        if all(slot.drained for slot in machine.slots):
            self.machines[order.machine] = replace(machine, max_retirement_s=0)  # as a startd does, measured
            self.show(order.machine, state="Unclaimed")
        self.show(order.machine, draining=False, drain_reason="")

    def evict(self, order: Drain, request_id: str, nonce: str) -> str:
        self.evicts.append(nonce)
        changes = {"state": "Drained", "activity": "Idle", "children": 0}
        self.show(order.machine, drain_reason=drain_reason(nonce), request_id="2", **changes)
        return "2"

    def look(self, machine: str, address: str) -> Machine:
        if machine in self.silent or machine not in self.machines:
            raise PoolAway(f"{machine} does not answer")
        return self.machines[machine]

    def jobs_on(self, machines: tuple[str, ...]) -> dict[str, int]:
        if self.schedds_away:
            raise PoolAway("a schedd does not answer")
        return {name: self.jobs_there.get(name, 0) for name in machines}

    def close(self) -> None: ...


class AtOnce(Retirement):
    """`meanwhile(key, "before" or "after")`: what happens while a call waits to be made, and its answer to be read."""

    def call(self, seat: Seat, lane: Any, key: str, call: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        self.meanwhile(key, "before")
        try:
            got = call()
        except Exception as raised:  # noqa: BLE001 - it travels to the actor, as with real calls
            got = raised
        self.meanwhile(key, "after")
        then(got)
        return True

    def meanwhile(self, key: str, when: str) -> None: ...


class RetirementStage(Stage):
    """A cloud with VMs that the submitter started, followed by retirement. Each `step` reads, lists and looks once."""

    def __init__(self, site: Site, config: Config = CONFIG) -> None:
        super().__init__(site, config)
        self.pool, self.ended = TwinPool(), []
        self.clouds: dict[str, Any] = {"private": self.cloud}
        self.office = PostOffice(self._mailer, self._gauges)
        self.retirement = self._retirement = self._made(config)
        self._retires: CloudSeat = Seat(post="cloud/private")
        self._retires.kept = self._retirement.begin(self._retires, self.term)

    def _made(self, config: Config) -> AtOnce:
        self.told = told_of(config, "local")  # of which pool the readings are
        board = Noticeboard(config, self.table, self.office, lambda: self.now, self._gauges)
        pools = dict.fromkeys(config.pools, self.pool)
        return AtOnce(self.services(config, self.office), self.registries, board, pools, self.clouds)

    def configure(self, config: Config) -> None:
        """A host with another configuration takes the post. Nothing is bought from here on."""
        self.retirement = self._retirement = self._made(config)
        self.crash()

    def started(self, count: int, *slots: Slot) -> list[Vm]:
        """So many VMs that have joined, each with these slots (one free slot by default)."""
        self.list_cloud()
        self.want(count)
        self.look()
        for vm in self.vms():
            self.joins(vm, *slots)
        self.step()
        assert self.states() == ["ready"] * count
        return self.vms()

    def joins(self, vm: Vm, *slots: Slot) -> None:
        self.pool.machines[vm.instance_id] = Machine(
            name=vm.instance_id,
            address="<10.0.0.5:9618>",
            instance_id=vm.instance_id,
            queue="atlas",
            cloud="private",
            max_retirement_s=10**9,
            slots=slots or (FREE,),
        )

    def step(self, later_s: float = 1.0, reading: StartdsSeen | Failed | None = None) -> None:
        self.now += later_s
        seen = reading or self.pool.startds(self.now)
        if isinstance(seen, StartdsSeen):
            seen = replace(seen, told=self.told)
        write_startds(self.table, self._hold("pool/local"), seen, ["private"])
        self.list_cloud()
        self._retirement.look(self._retires, self.term)
        if self._retires.state.empty:
            self._retirement.look(self._retires, self.term)  # an answer wakes it

    def sure(self) -> None:
        """No call waits in a pause any more."""
        self._retires.state.pauses.clear()

    def blind_step(self, later_s: float = 1.0) -> None:
        """The collector does not answer."""
        self.step(later_s, Failed(source="pool/local", at=self.now + later_s, reason="no answer"))

    def empty_step(self, later_s: float = 1.0) -> None:
        """The collector restarted: it answers in full, and empty."""
        self.step(later_s, StartdsSeen(source="pool/local", at=self.now + later_s, machines=()))

    def crash(self) -> None:
        super().crash()
        self._retires.kept = self._retirement.begin(self._retires, self.term)

    @property
    def sightings(self) -> Sightings:
        return self._retires.state.sightings

    def of_state(self, state: State) -> list[Vm]:
        return [vm for vm in self.vms() if vm.state is state]

    def waiting_drains(self) -> int:
        """As /metrics says it."""
        return int(self._gauges.registry.get_sample_value("apf_drains_waiting", {"cloud": "private"}) or 0)

    def ends_asked(self) -> set[str]:
        return self.cloud.ended
