"""What goes wrong in a simulated world, and for how long: spells of faults, chosen by a seed.

A spell is begun by whoever plays a campaign and ends by itself. It touches what the factory sees or how its calls fare,
never what is true: the ledger goes on telling that. Which VM or call a spell touches follows from the seed, the spell's
number and the VM's id, so one VM is touched all the time or not at all, as with a broken node.

| kind | what it does | settings |
| --- | --- | --- |
| cut | calls over links are lost | link: what their names contain |
| flapping | calls over links fail now and then | link, share |
| throttling | a cloud answers "slow down" | cloud, share |
| late-calls | a call is carried out after the caller gave up | share, delay_s |
| lost-answers | a call is carried out and its answer is lost | share |
| capacity | a cloud has room for a share only | cloud, share |
| prices | a cloud costs more; at over twice its price it starts nothing | cloud, times |
| stale-listings | a cloud lists what was there when the spell began | cloud |
| partial-listings | a cloud hides instances | cloud, share |
| stuck-deletes | an end is accepted and works later, or only when asked again | cloud, share |
| black-holes | on VMs launched meanwhile every job ends at once, failed, as long as they live | share |
| slow-boots, dead-boots | VMs join later, or never | share, factor |
| vanished-ads | ads are missing | share |
| late-ads | ads are as they were when the spell began | share |
| lying-ads | ads that claim other VMs' ids | share |
| boasting-ads | ads say a million free cpus, or a million children | share |
| collector-restart | all ads are forgotten, and come back one by one | (the spell's time) |
| silent-startds | startds that advertise do not answer calls | share |
"""

from __future__ import annotations

import itertools
import random
import zlib
from dataclasses import dataclass, field
from typing import Any

from deploy.lab.world.model import World
from deploy.lab.world.things import Vm

MILLION = 1_000_000
DEAR = 2.0  # times the usual price, above which a cloud starts nothing
OF_CLOUD = frozenset({"launch", "listing", "end", "find", "mark_held", "notices", "drop_notices"})
CHANGES = frozenset({"launch", "end", "drain", "cancel", "mark_held"})
OUR_IDENTITY, FOREIGN_IDENTITY = "worker@sim", "mallory@elsewhere"


@dataclass(slots=True, kw_only=True)
class Spell:
    number: int
    kind: str
    began: float
    until: float
    settings: dict[str, Any]
    kept: dict[Any, Any] = field(default_factory=dict)  # answers of when it began

    def share(self) -> float:
        return float(self.settings.get("share", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """How one call fares. `wait_s`: before it is carried out."""

    lost: bool = False
    broken: bool = False  # the connection is closed at once
    throttled: bool = False
    wait_s: float = 0.0
    answer_lost: bool = False


SMOOTH = Road()


class Weather:
    """`world` is what it lies over. Not thread-safe: its caller holds the world's lock."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._spells: list[Spell] = []
        self._numbers = itertools.count(1)
        world.boots = self._boots
        self._tell_negotiator()

    def begin(self, now: float, kind: str, for_s: float, settings: dict[str, Any]) -> None:
        spell = Spell(number=next(self._numbers), kind=kind, began=now, until=now + for_s, settings=settings)
        self._spells.append(spell)
        self._tell_negotiator()
        if kind == "prices":
            self._world.price(now, settings["cloud"], settings["times"])

    def end(self, now: float) -> None:
        """All spells are over."""
        for spell in self._spells:
            spell.until = now
        self.tidy(now)

    def tidy(self, now: float) -> None:
        """Spells whose time is over end."""
        for spell in [spell for spell in self._spells if spell.until <= now]:
            self._spells.remove(spell)
            self._tell_negotiator()
            if spell.kind == "prices":
                self._world.price(now, spell.settings["cloud"], 1.0)

    # --- calls

    def road(self, link: str, operation: str, arguments: dict[str, Any]) -> Road:
        if not self._spells:
            return SMOOTH
        if any(spell.settings["link"] in link for spell in self._of("cut")):
            return Road(lost=True)
        flapping = [spell for spell in self._of("flapping") if spell.settings["link"] in link]
        if any(self._random.random() < spell.share() for spell in flapping):
            return Road(broken=True)
        if operation in OF_CLOUD and any(
            spell.settings["cloud"] == arguments.get("cloud") and self._random.random() < spell.share()
            for spell in self._of("throttling")
        ):
            return Road(throttled=True)
        if operation in CHANGES:
            late = [spell for spell in self._of("late-calls") if self._random.random() < spell.share()]
            lost = any(self._random.random() < spell.share() for spell in self._of("lost-answers"))
            return Road(wait_s=max((spell.settings["delay_s"] for spell in late), default=0.0), answer_lost=lost)
        return SMOOTH

    # --- clouds

    def capacity(self, cloud: str) -> int | None:
        """How many VMs the cloud has room for; None: no end."""
        known = self._world.capacity.get(cloud)
        for spell in self._of("capacity", cloud):
            known = None if known is None else int(known * spell.share())
        return 0 if self._world.prices.get(cloud, 1.0) > DEAR else known

    def listed(self, cloud: str, vms: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a cloud shows of these."""
        for spell in self._of("stale-listings", cloud):
            vms = spell.kept.setdefault(cloud, vms)
        for spell in self._of("partial-listings", cloud):
            vms = [vm for vm in vms if not _touched(spell, vm["id"])]
        return vms

    def stuck(self, vm: Vm) -> float:
        """Until when an end of this VM does not work; 0: it works."""
        return max((s.until for s in self._of("stuck-deletes", vm.cloud) if _touched(s, vm.id)), default=0.0)

    def asks_once(self, vm: Vm) -> bool:
        """A stuck end works by itself in the end; else it has to be asked for again."""
        return any(_part(spell, "x" + vm.id) < 0.5 for spell in self._of("stuck-deletes", vm.cloud))

    def _boots(self, vm: Vm) -> float | None:
        boot_s = self._world.boot_s * self._random.uniform(0.7, 1.6)
        vm.broken = any(_touched(spell, vm.id) for spell in self._of("black-holes"))
        if any(_touched(spell, vm.id) for spell in self._of("dead-boots")):
            return None
        slow = [spell.settings["factor"] for spell in self._of("slow-boots") if _touched(spell, vm.id)]
        return boot_s * float(max(slow, default=1.0))

    # --- startds

    def silent(self, vm: Vm) -> bool:
        return any(_touched(spell, vm.id) for spell in self._of("silent-startds"))

    def ads(self, now: float, rows: dict[str, list[Any]]) -> list[list[Any]]:
        """What the collector shows of the startds' true ads, by instance id."""
        if not self._spells:
            return list(rows.values())
        for spell in self._of("late-ads"):
            old = spell.kept.setdefault("ads", dict(rows))
            rows = {id: old.get(id, row) if _touched(spell, id) else row for id, row in rows.items()}
        for spell in self._of("boasting-ads"):
            rows = {id: _boast(row, _part(spell, "x" + id)) if _touched(spell, id) else row for id, row in rows.items()}
        lies = [lie for spell in self._of("lying-ads") for lie in _lies(spell, rows)]
        return [*(row for id, row in rows.items() if not self._hidden(id, now)), *lies]

    def _hidden(self, id: str, now: float) -> bool:
        """The collector has no ad of this VM: nobody sees it there, the negotiator neither."""
        return any(_touched(spell, id) for spell in self._of("vanished-ads")) or any(
            _part(spell, id) >= (now - spell.began) / (spell.until - spell.began) - 0.2
            for spell in self._of("collector-restart")
        )

    def _tell_negotiator(self) -> None:
        hides = self._of("vanished-ads") or self._of("collector-restart")
        self._world.hidden = (lambda vm, now: self._hidden(vm.id, now)) if hides else None

    def _of(self, kind: str, cloud: str = "") -> list[Spell]:
        return [s for s in self._spells if s.kind == kind and (not cloud or s.settings.get("cloud") == cloud)]


def _lies(spell: Spell, rows: dict[str, list[Any]]) -> list[list[Any]]:
    """For a touched VM: an ad of a stranger, or of a worker, that says it is this VM, and empty. And one of nobody."""
    lies = []
    for id, row in rows.items():
        if _touched(spell, id):
            lie = list(row)
            name = f"liar-{row[0]}"
            lie[0], lie[1], lie[8] = name, "<10.255.255.255:1>", f"slot1@{name}"
            lie[5] = FOREIGN_IDENTITY if _part(spell, "x" + id) < 0.5 else OUR_IDENTITY
            lie[10], lie[12] = "Idle", 0
            lies.append(lie)
    if lies:
        nobody = list(lies[0])
        nobody[0], nobody[2], nobody[8] = "nobody.sim", "", "slot1@nobody.sim"
        lies.append(nobody)
    return lies


def _boast(row: list[Any], part: float) -> list[Any]:
    """Half of them say that they have room for all jobs of the site, half that they run as many."""
    told = list(row)
    told[13:16] = [MILLION, MILLION, MILLION]
    told[12] = MILLION if part < 0.5 else told[12]
    return told


def _touched(spell: Spell, id: str) -> bool:
    return _part(spell, id) < spell.share()


def _part(spell: Spell, id: str) -> float:
    """A number in [0, 1) for this VM in this spell."""
    return zlib.crc32(f"{spell.number}/{id}".encode()) / 2**32
