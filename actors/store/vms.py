"""The VM rows and launch intents of one cloud, as its holder keeps them.

The rows in Redis are the truth; the holder is their only writer, so it keeps a copy in memory and never reads them
again during its term. Two of its actors write (the submitter its launches, retirement the rest): each change names the
row that it was decided on, and one whose row has moved meanwhile is dropped here, to be decided anew.

Ended and failed rows are kept for an hour, so that a listing that trails behind adopts nothing that is gone. A tally
(kind `started`, key the queue) counts all that ever got an instance; adopted ones too, since they were started once.
The breakers (kind `breaker`, key the image) are counted in the same write as the boots that they count.

Each write takes its history along (`history`), in the same fenced call.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from actors.config.promise import promise_of
from actors.config.schema import Config
from actors.fleet import breaker
from actors.fleet.breaker import Breaker
from actors.fleet.history import Because
from actors.fleet.joined import Joined, taught
from actors.fleet.reasons import Opening
from actors.fleet.vm import KEPT_S, Intent, Launch, Vm
from actors.store import rows
from actors.store.bulk_codec import INSTANCES, instance_unpacker
from actors.store.codec import pack
from actors.store.history import Chronicle
from actors.store.joined import KIND as JOINED
from actors.store.joined import all_joined, joined_row
from actors.store.knowledge import Buying, Judged, Shown
from broker.errors import RedisRefused
from broker.posts.leases import Term
from broker.rows.table import Delete, Put, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """How many VMs of one queue were started on a cloud, ever."""

    vms: int


UNREAD_S = 600.0  # a row that cannot be read holds a place for so long: what lives is listed, and adopted, by then
WRITTEN_AT_ONCE = 2_000  # VMs: a host that adopts 10,000 must not keep Redis from the others meanwhile
UNTOLD: Mapping[str, Because] = {}

log = structlog.get_logger("registry")


class Registry:
    """The cache of a cloud's rows. Thread-safe. One a term: made when the post is gained, thrown away when it is lost.

    Beside it lies what each actor of the cloud knows, for the others (`knowledge`): `judged`, `buying`, `shown`.
    """

    def __init__(
        self,
        table: Table,
        term: Term,
        image: str,
        rules: breaker.BreakerRules,
        roll: Callable[[], float],
        chronicle: Chronicle,
    ) -> None:
        """`image`: what the cloud's VMs are started from now. `roll`: chance, from 0 to 1."""
        self.cloud, self.image = term.post.partition("/")[2], image
        self.promise = ""  # what the cloud's VMs are made from now; empty: nothing is learned of them
        self.listing = instance_unpacker(INSTANCES)  # two actors read the cloud's listing: it is unpacked once
        self.judged, self.buying, self.shown = Judged(), Buying(), Shown()
        self._table, self._chronicle = table, chronicle
        self._rules, self._roll = rules, roll
        self._lock = threading.RLock()  # held over the write too: two actors decide on one copy
        self._vms = rows.read(table, Vm, "vm", term.post)
        self._intents = rows.read(table, Intent, "intent", term.post)
        self._unread = rows.damaged_keys(table, "vm", term.post)
        self._made = time.monotonic()
        self._breakers = {found.image: found for found in rows.read(table, Breaker, "breaker", term.post).values()}
        self._joined = all_joined(table, term.post)
        tally = rows.read(table, Started, "started", term.post).items()
        self._started = Counter({queue: started.vms for queue, started in tally})

    def vms(self) -> list[Vm]:
        with self._lock:
            return list(self._vms.values())

    @property
    def unread(self) -> int:
        """VMs whose rows are damaged and that hold their places: until the listing had the time to show what lives."""
        if time.monotonic() - self._made > UNREAD_S:
            return 0
        with self._lock:
            return len(self._unread - self._vms.keys())

    def mend(self, term: Term, keys: Collection[tuple[str, str]]) -> None:
        """Write rows (kind, key; no key: all of the kind) as they are known here, over what stands there now."""
        with self._lock:
            of: Mapping[str, Mapping[str, Vm | Intent]] = {"vm": self._vms, "intent": self._intents}
            known = [(kind, one) for kind, key in keys for one in ([key] if key else of[kind]) if one in of[kind]]
            for start in range(0, len(known), WRITTEN_AT_ONCE):
                some = known[start : start + WRITTEN_AT_ONCE]
                self._table.write(term, [_put(kind, key, pack(of[kind][key])) for kind, key in some])

    def vm(self, vm_id: str) -> Vm | None:
        with self._lock:
            return self._vms.get(vm_id)

    def knows(self, vm: Vm) -> bool:
        """Whether this VM, or the launch that it names, was ever written here, as far as rows and history go back."""
        with self._lock:
            if vm.intent in self._intents or any(one.intent == vm.intent for one in self._vms.values()):
                return True
        return bool(rows.damaged_keys(self._table, "intent", f"cloud/{self.cloud}")) or self._chronicle.knows(vm)

    def intents(self) -> list[Intent]:
        with self._lock:
            return list(self._intents.values())

    @property
    def breaker(self) -> Breaker:
        """Of this cloud with its present image."""
        with self._lock:
            return self._breakers.get(self.image, Breaker(image=self.image))

    def refuse(self, term: Term, why: str, born: float, now: float, cause: Opening = Opening.NOT_KNOWN) -> None:
        """The cloud refused a launch that was written down at `born`."""
        with self._lock:
            after = breaker.refused(self.breaker, why, born, now, self._rules, self._roll(), cause)
            self._put_breakers(term, {after.image: after})

    def reset_breaker(self, term: Term) -> None:
        """By hand: the cloud is tried again in full."""
        with self._lock:
            self._put_breakers(term, {self.image: breaker.reset(self.breaker)})

    @property
    def joined(self) -> Joined:
        """What workers offered that were made as the cloud's VMs are now."""
        with self._lock:
            return self._joined.get(self.promise, Joined(promise=self.promise))

    def learn(self, term: Term, vm_ids: Iterable[str]) -> None:
        """Note what these VMs offer, as far as they are ready and their startds were seen."""
        with self._lock:
            workers = [(self._vms[key], self.judged.machines[key]) for key in vm_ids if key in self.judged.machines]
            before = self.joined
            self._put_joined(term, before, taught(before, workers) if self.promise else before)

    def learn_attributes(self, term: Term, attributes: Mapping[str, str]) -> None:
        """Note what workers that are made as the VMs are now advertise."""
        with self._lock:
            before = self.joined
            if self.promise and attributes != before.attributes:
                self._put_joined(term, before, replace(before, attributes=attributes))

    def _put_joined(self, term: Term, before: Joined, after: Joined) -> None:
        if after is not before:
            self._table.write(term, [joined_row(after)])
            self._joined[self.promise] = after

    def launch(
        self, term: Term, intents: Iterable[Intent], vms: Iterable[Vm], because: Mapping[str, Because] = UNTOLD
    ) -> None:
        """Write the intents and their VMs' rows, all or nothing, before anything is sent."""
        self._write(term, list(vms), list(intents), because)

    def change(
        self,
        term: Term,
        pairs: Iterable[tuple[Vm, Vm]],
        intents: Iterable[Intent] = (),
        because: Mapping[str, Because] = UNTOLD,
    ) -> list[Vm]:
        """Write each pair's second, where the first still is the row; returns what was written.

        `because`: by VM id, what the change rests on, for its history.

        An intent that is not among the rows is of a former term whose rows were lost: an answer to it changes nothing.
        """
        with self._lock:
            now = [after for before, after in pairs if self._vms.get(before.id) is before and after != before]
            first = max(0, len(now) - 1) // WRITTEN_AT_ONCE * WRITTEN_AT_ONCE  # of the last write, the intents' too
            for start in range(0, first, WRITTEN_AT_ONCE):
                self._write(term, now[start : start + WRITTEN_AT_ONCE], [], because)
            self._write(term, now[first:], [intent for intent in intents if intent.id in self._intents], because)
        return now

    def adopt(self, term: Term, vms: Iterable[Vm]) -> None:
        """Rows for instances without one. What was adopted and ended may run again: somebody started it by hand."""
        with self._lock:
            dead = {vm_id for vm_id, vm in self._vms.items() if not vm.alive}
            new = [vm for vm in vms if vm.id not in self._vms or vm.id in dead]
            for start in range(0, len(new), WRITTEN_AT_ONCE):
                self._write(term, new[start : start + WRITTEN_AT_ONCE], [])

    def forget(self, term: Term, now: float, kept: Collection[str] = ()) -> Collection[str]:
        """Delete what ended more than KEPT_S ago, and resolved intents without a row; returns the ids of these VMs.

        `kept`: VMs that are needed for longer.
        """
        with self._lock:
            old = {vm.id for vm in self._vms.values() if not vm.alive and now - vm.since > KEPT_S and vm.id not in kept}
            left = {vm.intent for vm in self._vms.values() if vm.id not in old}
            done = [i.id for i in self._intents.values() if i.state is not Launch.SENT and i.id not in left]
            images = {self.image, *(vm.image for vm in self._vms.values())}
            replaced = [image for image in self._breakers if image not in images]
            promises = {self.promise, *(vm.promise for vm in self._vms.values())}
            others = [promise for promise in self._joined if promise not in promises] if self.promise else []
            gone = [*(_delete("vm", key) for key in old), *(_delete("intent", key) for key in done)]
            gone += [_delete(JOINED, promise) for promise in others]
            self._table.write(term, [*gone, *(_delete("breaker", _breaker_key(image)) for image in replaced)])
            for promise in others:
                del self._joined[promise]
            for image in replaced:
                del self._breakers[image]
            for key in old:
                del self._vms[key]
                self.judged.machines.pop(key, None)
                self.shown.parts.pop(key, None)
            for key in done:
                del self._intents[key]
        return old

    def _write(self, term: Term, vms: list[Vm], intents: list[Intent], because: Mapping[str, Because] = UNTOLD) -> None:
        puts = [*(_put("vm", vm.id, pack(vm)) for vm in vms), *(_put("intent", i.id, pack(i)) for i in intents)]
        with self._lock:
            before = {vm.id: self._vms.get(vm.id) for vm in vms}
            new = Counter(vm.queue for vm in vms if _started(before[vm.id], vm))
            tally = {queue: self._started[queue] + n for queue, n in new.items()}
            puts += [_put("started", queue, pack(Started(vms=n))) for queue, n in tally.items()]
            breakers = self._after_boots(before, vms)
            puts += [_put("breaker", _breaker_key(image), pack(one)) for image, one in breakers.items()]
            moments = self._chronicle.moments(term, ((before[vm.id], vm) for vm in vms), because)
            self._table.write(term, [*puts, *self._chronicle.lines(moments)])
            self._note_breakers(breakers)
            self._started.update(new)
            self._vms.update({vm.id: vm for vm in vms})
            self._intents.update({intent.id: intent for intent in intents})
        self._chronicle.written(moments)
        for vm in vms:
            _tell(before[vm.id], vm)

    def _after_boots(self, before: dict[str, Vm | None], vms: Iterable[Vm]) -> dict[str, Breaker]:
        """The breakers that the boots among these changes concern, as they are after them."""
        after: dict[str, Breaker] = {}
        for vm in vms:
            good = breaker.sample(before[vm.id], vm)
            if good is not None:
                one = after.get(vm.image) or self._breakers.get(vm.image) or Breaker(image=vm.image)
                after[vm.image] = breaker.booted(one, good, vm.born, vm.since, self._rules, self._roll())
        return after

    def _put_breakers(self, term: Term, after: dict[str, Breaker]) -> None:
        self._table.write(term, [_put("breaker", _breaker_key(image), pack(one)) for image, one in after.items()])
        self._note_breakers(after)

    def _note_breakers(self, after: dict[str, Breaker]) -> None:
        for image, one in after.items():
            was = self._breakers.get(image, Breaker())
            if one.why and one.opened != was.opened:
                tell = log.info if one.cause is Opening.FULL else log.warning
                tell("breaker open", cloud=self.cloud, image=image, why=one.why, for_s=round(one.until - one.opened))
            elif was.why and not one.why:
                log.info("breaker closed", cloud=self.cloud, image=image, was=was.why)
        self._breakers.update(after)


class Registries:
    """One registry a cloud and term, shared by the actors of this host that serve the cloud's post."""

    def __init__(
        self, table: Table, config: Config, chronicle: Chronicle, roll: Callable[[], float] = random.random
    ) -> None:
        self._table, self._config, self._chronicle, self._roll = table, config, chronicle, roll
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[int, Registry]] = {}

    def of(self, term: Term) -> Registry:
        with self._lock:
            fence, registry = self._kept.get(term.post, (0, None))
            if registry is None or fence != term.fence:
                registry = self._made(term)
                self._kept[term.post] = (term.fence, registry)
            return registry

    def kept(self, term: Term) -> Registry | None:
        """The term's, if it was made already."""
        with self._lock:
            fence, registry = self._kept.get(term.post, (0, None))
        return registry if fence == term.fence else None

    def _made(self, term: Term) -> Registry:
        name = term.post.partition("/")[2]
        cloud = self._config.clouds[name]
        rules = breaker.BreakerRules(
            failures=cloud.boot_failures,
            share=cloud.boot_failures_share,
            pause_s=cloud.closed_s,
            most_s=max(cloud.closed_s, cloud.closed_most_s),
        )
        made = Registry(self._table, term, cloud.made_from, rules, self._roll, self._chronicle)
        made.promise = promise_of(cloud)
        return made


def _breaker_key(image: str) -> str:
    return image or "@"


def _started(before: Vm | None, vm: Vm) -> bool:
    """Whether the row gets its instance now."""
    return bool(vm.queue and vm.instance_id) and (before is None or not before.instance_id)


def _tell(before: Vm | None, vm: Vm) -> None:
    """One line for each transition, with its reason."""
    if before is not None and before.state is vm.state:
        return
    was = before.state.value if before else "-"
    log.info("vm", vm=vm.id, cloud=vm.cloud, queue=vm.queue, was=was, now=vm.state.value, why=vm.reason)


def _put(kind: str, key: str, body: bytes) -> Put:
    return Put(kind=kind, key=key, body=body, expected_version=None)


def _delete(kind: str, key: str) -> Delete:
    return Delete(kind=kind, key=key, expected_version=None)


def read_vms(table: Table, clouds: Iterable[str]) -> list[Vm]:
    """The rows of several clouds, for those who only look."""
    found = rows.read_many(table, Vm, "vm", [f"cloud/{cloud}" for cloud in clouds])
    return [vm for of_cloud in found.values() for vm in of_cloud.values()]


def read_vm(table: Table, cloud: str, vm_id: str) -> Vm | None:
    return rows.get(table, Vm, "vm", f"cloud/{cloud}", vm_id)


def read_intent(table: Table, cloud: str, intent_id: str) -> Intent | None:
    """None also for a user of Redis who may not read it (a dashboard): the worker's token stands in it."""
    try:
        return rows.get(table, Intent, "intent", f"cloud/{cloud}", intent_id)
    except RedisRefused:
        return None


def read_intents(table: Table, clouds: Iterable[str]) -> list[Intent]:
    """Of several clouds; none for a user of Redis who may not read them."""
    try:
        found = rows.read_many(table, Intent, "intent", [f"cloud/{name}" for name in clouds])
    except RedisRefused:
        return []
    return [intent for of_cloud in found.values() for intent in of_cloud.values()]


def read_started(table: Table, clouds: Iterable[str], queue: str) -> list[int]:
    """VMs of the queue that were started on each of the clouds, ever."""
    names = list(clouds)
    found = table.get_many([("started", f"cloud/{cloud}", queue) for cloud in names])
    told = [rows.value(table, Started, "started", f"cloud/{c}", row) for c, row in zip(names, found, strict=True)]
    return [one.vms if one else 0 for one in told]


def clouds_in_use(table: Table, clouds: Iterable[str]) -> list[str]:
    """Those of `clouds` that have VMs which have not ended."""
    return [cloud for cloud in clouds if any(vm.alive for vm in read_vms(table, [cloud]))]
