"""One actor on a stage: a real Redis, a term of its own, and a cloud in memory that answers as it is told.

Calls run at once, on the test's thread, so that a test is a sequence of looks and not of waits. The cloud is a twin: it
keeps the promises of the port (a token starts once), and a script says which of its answers get lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from actors.clouds.port import CloudError, Order
from actors.config.schema import Config
from actors.fleet.observations import Instance, Listed, StartdsSeen
from actors.fleet.vm import Vm
from actors.fleet.want import CloudView, Want
from actors.runtime.calls import Calls
from actors.runtime.messages import KINDS
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import Seat
from actors.runtime.post_office import PostOffice
from actors.runtime.publisher import Noticeboard
from actors.runtime.services import Services
from actors.runtime.terms import Terms
from actors.store.history import Chronicle
from actors.store.quotas import Accounts
from actors.store.readings import write_listing, write_startds
from actors.store.views import read_views
from actors.store.vms import Registries, Registry
from actors.store.wants import want_row
from actors.submitter.actor import Submitter, SubmitterSeat
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.mail.mailboxes import Mailer
from broker.posts.leases import Leases, Term
from broker.rows.allotments import Allotments
from broker.rows.table import Table

CONFIG = Config.model_validate(
    {
        "factory": {"name": "test"},
        "pools": {"local": {"kind": "htcondor", "collector": "cm"}},
        "clouds": {
            "private": {"kind": "ec2", "region": "r", "shape": {"cpus": 1, "memory_mib": 512}, "max_vms": 4},
        },
        "queues": {"atlas": {"pool": "local", "jobs": "true", "cascade": [["private"]]}},
    }
)


PAST = 0.001  # monotonic


class TwinCloud:
    """A cloud in memory. `script` holds the errors of the next launch calls; ("lost", error) starts, then raises."""

    def __init__(self) -> None:
        self.by_token: dict[str, tuple[Instance, ...]] = {}
        self.script: list[CloudError | tuple[str, CloudError]] = []
        self.launches = self.finds = 0
        self.room = 100
        self.ended: set[str] = set()
        self.foreign = 0
        self.tags: dict[str, str] = {}  # instance id -> the words of its hold
        self.marks: list[tuple[tuple[str, ...], str]] = []  # the calls
        self.mark_error: CloudError | None = None
        self.user_data: dict[str, str] = {}  # by launch, as it was asked for

    def prepare(self, order: Order) -> str:
        self.user_data[order.intent] = order.user_data
        return json.dumps({"token": order.token, "count": order.count, "intent": order.intent, "queue": order.queue})

    def launch(self, request: str) -> tuple[Instance, ...]:
        self.launches += 1
        told = self.script.pop(0) if self.script else None
        if isinstance(told, CloudError):
            raise told
        found = self._start(**json.loads(request))
        if told:
            raise told[1]
        return found

    def _start(self, token: str, count: int, intent: str, queue: str) -> tuple[Instance, ...]:
        if token not in self.by_token:
            count = min(count, self.room - len(self.instances()))
            self.by_token[token] = tuple(
                Instance(id=f"i-{intent}-{n}", state="running", intent=intent, index=n, queue=queue, token=token)
                for n in range(count)
            )
        return self.by_token[token]

    def instances(self) -> tuple[Instance, ...]:
        """Ended ones are shown as terminated, as a cloud does for an hour."""
        found = [replace(one, held=self.tags.get(one.id, "")) for batch in self.by_token.values() for one in batch]
        return tuple(replace(one, state="terminated") if one.id in self.ended else one for one in found)

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        self.finds += 1
        return self.by_token.get(token, ())

    def listing(self, now: float) -> Listed:
        return Listed(source="cloud/twin", at=now, instances=self.instances(), foreign=self.foreign)

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        self.ended.update(ids)
        return tuple(ids)

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        self.marks.append((tuple(ids), words))
        if self.mark_error:
            raise self.mark_error
        self.tags.update(dict.fromkeys(ids, words))

    def close(self) -> None: ...


class AtOnce(Submitter):
    """The submitter, with its calls made at once."""

    def call(
        self, seat: Seat, lane: Any, key: str, call: Callable[[], Any], then: Callable[[Any], None], wakes: bool = True
    ) -> bool:
        try:
            got = call()
        except Exception as raised:  # noqa: BLE001 - it travels to the actor, as with real calls
            got = raised
        then(got)
        return True


class Stage:
    """The submitter of a cloud, whose post this stage holds. `now` moves only when a test moves it."""

    def __init__(self, site: Site, config: Config = CONFIG, name: str = "private") -> None:
        self.name, self.post = name, f"cloud/{name}"
        self.table, clock = Table(site.client(), site), RedisClock(site.client())
        self.now = clock.sync()
        self._mailer = Mailer(site, KINDS, "test#1", clock)
        self._leases = Leases(site.client(), site, "test#1", 600.0)
        self._terms, self._gauges = Terms(), Gauges()
        self.term = self._hold(self.post)
        self.cloud = TwinCloud()
        self.recipes: list[str] = []  # the queues for which one was made, in order
        self.registries = Registries(self.table, config, Chronicle(lambda: self.now), roll=lambda: 0.0)
        office = PostOffice(self._mailer, self._gauges)
        board = Noticeboard(config, self.table, office, lambda: self.now, self._gauges)
        accounts = Accounts(config, Allotments(site.client(), site))
        services = self.services(config, office)
        self._submitter = AtOnce(services, self.registries, board, {name: self.cloud}, self._recipe, accounts)
        self._seat: Seat[SubmitterSeat] = Seat(post=self.post)
        self._seat.kept = self._submitter.begin(self._seat, self.term)
        self.registry.judged.looked = True
        write_startds(self.table, self._hold("pool/local"), StartdsSeen(source="p", at=self.now, machines=()), [name])

    def services(self, config: Config, office: PostOffice) -> Services:
        return Services(
            config=config,
            table=self.table,
            office=office,
            terms=self._terms,
            calls=Calls(2),
            gauges=self._gauges,
            now=lambda: self.now,
        )

    @property
    def registry(self) -> Registry:
        return self.registries.of(self.term)

    def want(self, n: int, queue: str = "atlas") -> None:
        want = Want(queue=queue, cloud=self.name, n=n, decision="d", at=self.now, changed=self.now)
        self.table.write(self._hold(f"queue/{queue}"), [want_row(want)])

    def list_cloud(self) -> None:
        self.now += 1
        write_listing(self.table, self.term, self.cloud.listing(self.now))

    def look(self, later_s: float = 1.0) -> None:
        """And once more where launches went out, as the actor does a moment later."""
        self.look_once(later_s)
        if self._seat.state.show_at:
            self._seat.state.show_at = PAST
            self.look_once(0.0)

    def look_once(self, later_s: float = 1.0) -> None:
        self.now += later_s
        self._submitter.look(self._seat, self.term)

    def interval_s(self) -> float:
        return self._submitter.interval_s(self._seat)

    def vms(self) -> list[Vm]:
        return sorted(self.registry.vms(), key=lambda vm: vm.id)

    def states(self) -> list[str]:
        return [vm.state.value for vm in self.vms()]

    def closed(self) -> str:
        view, _ = read_views(self.table, self.name)
        return view.closed if view else ""

    def view(self) -> CloudView:
        view, _ = read_views(self.table, self.name)
        assert view is not None
        return view

    def crash(self) -> None:
        """Another host takes the post: all that was in memory is gone."""
        self.term = self._hold(self.post)
        self._seat.kept = self._submitter.begin(self._seat, self.term)
        self.registry.judged.looked = True

    def close(self) -> None:
        self._mailer.close()

    def _recipe(self, cloud: str, queue: str, launch: str) -> str:
        self.recipes.append(queue)
        return f"{cloud} {queue} {launch}".rstrip()

    def _hold(self, post: str) -> Term:
        term = self._leases.acquire(post)
        assert isinstance(term, Term)
        self._terms.put(term)
        return term
