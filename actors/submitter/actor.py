"""The submitter starts VMs: it alone. For each cloud, what its queues want and do not have.

The order that makes a crash harmless: the intent and its VMs' rows are written, with the whole request frozen; then the
request is sent, with the intent's token. After a crash, a time-out, a 5xx or a token mismatch the launch is *unknown*:
it is looked up by token and tag, then the same request goes out again with the same token, which a cloud answers with
the instances that it started the first time. A new token is never made for it.

What retirement can take back (a VM that was given up while it boots, a drain whose last job still runs) is not bought.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from actors.clouds.port import Cloud, CloudError, NoCapacity, Quota, Spent, Throttled, TokenUsed, Unknown
from actors.clouds.worker.recipe import Recipe, RecipeFailed
from actors.config.policy_rules import divided, shares
from actors.fleet.adoption import births, orphans, row_id, started
from actors.fleet.breaker import admits
from actors.fleet.fleet_view import cancellable
from actors.fleet.history import MOST_EVIDENCE, Because
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Instance, Listed
from actors.fleet.reasons import CLOSED_FOR, Closing, Opening
from actors.fleet.vm import Intent, Launch, State, Vm
from actors.fleet.want import Want
from actors.fleet.worker_identity import one_a_launch
from actors.runtime.freeze_file import FreezeFile, FrozenHere
from actors.runtime.pauses import pause_s
from actors.runtime.post_actor import PostActor, Seat
from actors.runtime.publisher import Noticeboard, room
from actors.runtime.services import Services
from actors.store.knowledge import Closed
from actors.store.quotas import Accounts
from actors.store.readings import newer_listing
from actors.store.vms import Registries, Registry
from actors.store.wants import wants_of_cloud
from actors.submitter.launches import Made, Planned, new_launch, planned
from broker.posts.leases import Term

LOOK_S = 5.0
QUIET_LOOK_S = 10.0  # no VM lives on an open cloud: what changes that comes with mail
AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # between tries of one launch
SHOWN_MAY_WAIT_S = 0.1  # what launches change in the cloud's views
STARTED_MAY_WAIT_S = 0.1  # launches that were answered, for others: one write tells of all, and none delays a launch
PATIENCE = 2  # tries without an answer, after which its jobs look elsewhere
WRITTEN_AT_ONCE = 20  # launches: the first are under way while the next are written
UNTIL_IT_ANSWERS = (Closing.THROTTLED, Closing.SILENT)  # a cloud is closed by these
RECIPE_OLD_S = 600.0  # the worker's token in it is minted anew
RECIPES_AHEAD = 20  # so many are made in one look; and of so many queues that want nothing one is ready

Answered = tuple[Intent, tuple[Instance, ...]]  # a launch, and what was started

log = structlog.get_logger("submitter")


@dataclass(slots=True, kw_only=True)
class SubmitterSeat:
    began: float  # when the term began: a listing asked for since then shows all that a former holder started
    listed: Listed | None = None
    quiet: bool = False
    recipes: dict[str, Made] = field(default_factory=dict)  # by queue
    show_at: float = 0.0  # monotonic: launches went out since the views were shown, and they are shown then
    wanted: tuple[str, ...] = ()  # queues that want VMs
    awaited: set[str] = field(default_factory=set)  # of these, for which no recipe is made yet
    started: dict[str, Answered] = field(default_factory=dict)  # launches in full that are not written down, by intent


SubmitterPost = Seat[SubmitterSeat]


class Submitter(PostActor[SubmitterSeat]):
    title = "submitter"

    def __init__(
        self,
        services: Services,
        registries: Registries,
        board: Noticeboard,
        clouds: Mapping[str, Cloud],
        recipe: Recipe,
        accounts: Accounts,
    ) -> None:
        super().__init__(services.terms, services.calls, services.gauges)
        config = self._config = services.config
        self._table, self._now, self._gauges = services.table, services.now, services.gauges
        self._registries, self._board, self._clouds = registries, board, clouds
        self._recipe, self._accounts = recipe, accounts
        self._freeze, self._queues = FreezeFile.of(config), config.queues_by_cloud

    def interval_s(self, seat: SubmitterPost) -> float:
        return QUIET_LOOK_S if seat.kept and seat.kept.quiet else LOOK_S

    def begin(self, seat: SubmitterPost, term: Term) -> SubmitterSeat:
        self._board.recall(self._registries.of(term))
        return SubmitterSeat(began=self._now() - self.terms.age_s(term))

    def look(self, seat: SubmitterPost, term: Term) -> None:
        registry, now, before = self._registries.of(term), self._now(), seat.state.listed
        listed = seat.state.listed = newer_listing(self._table, seat.name, before, registry.listing)
        if listed and listed is not before:
            self._note_births(registry, term, listed)
        lost = len(orphans(registry.vms(), listed, seat.name, 0.0)) if listed else 0
        if not self._config.factory.shadow:
            self._act(seat, term, registry, lost, now)
        self._write_started(seat, term, registry)
        self._show(seat, term, registry, lost)
        seat.state.quiet = not registry.buying.closed.why and not any(vm.alive for vm in registry.vms())

    def _show(self, seat: SubmitterPost, term: Term, registry: Registry, lost: int) -> None:
        """Not between launches: what a scheduler wanted lately, and no view shows, it counts as under way."""
        wait_s = seat.state.show_at - time.monotonic()
        if wait_s > 0:
            self.look_in(seat, wait_s)
            return
        self._board.show(term, registry, lost)
        seat.state.show_at = 0.0

    def _act(self, seat: SubmitterPost, term: Term, registry: Registry, lost: int, now: float) -> None:
        """All that mints tokens, writes intents or sends launches: what a shadow does not do."""
        self._reopen(registry, now)
        if not registry.buying.closed.why:
            self._make_recipes_ahead(seat, now)  # not again and again while it fails
        if not registry.judged.stopped:
            self._resolve(seat, registry, now)
        listed = seat.state.listed
        known = listed is not None and listed.at >= seat.state.began  # before, what a former holder started may not be
        if known and registry.judged.looked:
            self._start_what_is_wanted(seat, term, registry, lost, now)

    def _note_births(self, registry: Registry, term: Term, listed: Listed) -> None:
        born = births(registry.vms(), listed)
        registry.change(term, [(before, vm) for vm in born if (before := registry.vm(vm.id))])

    def _reopen(self, registry: Registry, now: float) -> None:
        """A cloud that owes answers stays closed until it gives one: its launches are tried again meanwhile."""
        owes = registry.buying.closed.code is Closing.SILENT and any(vm.awaits_answer for vm in registry.vms())
        if registry.buying.closed.why and registry.buying.closed.until <= now and not owes:
            self._open(registry)

    def _open(self, registry: Registry) -> None:
        log.info("cloud open again", cloud=registry.cloud, was=registry.buying.closed.why)
        registry.buying.closed = Closed()

    # --- deciding what to start

    def _start_what_is_wanted(self, seat: SubmitterPost, term: Term, registry: Registry, lost: int, now: float) -> None:
        listed = seat.state.listed
        assert listed is not None  # who has not seen the cloud starts nothing
        cloud, wants = self._config.clouds[seat.name], self._wants(seat, registry)
        missing = self._missing(seat, registry, wants, now) if wants else {}
        left = room(cloud.max_vms, sum(vm.alive for vm in registry.vms()), lost + registry.unread)
        admitted = admits(registry.breaker, registry.vms(), now)
        left = min(left, sum(missing.values()), left if admitted is None else admitted)
        allowed = self._accounts.claim(term, seat.name, registry.vms(), lost, listed, left)
        registry.buying.account = allowed
        if allowed.account:
            self._gauges.account(seat.name, allowed.account, allowed.used, allowed.limits)
        launches: list[Planned] = []
        for queue, vms in divided(self._config, min(left, allowed.vms), missing).items():
            made = seat.state.recipes[queue]
            for done in range(0, min(vms, cloud.batch) if made.launch else vms, cloud.batch):
                several = min(vms - done, cloud.batch)
                launches.append(planned(self._config, self._clouds[seat.name], wants[queue], several, made, now))
            if made.launch:
                self._used_up(seat, queue)
        if launches:
            seat.state.show_at = seat.state.show_at or time.monotonic() + SHOWN_MAY_WAIT_S
        for start in range(0, len(launches), WRITTEN_AT_ONCE):
            self._launch(seat, term, registry, launches[start : start + WRITTEN_AT_ONCE], wants)

    def _wants(self, seat: SubmitterPost, registry: Registry) -> Mapping[str, Want]:
        """What the queues want here; nothing while this cloud is closed."""
        wants = wants_of_cloud(self._table, seat.name, self._queues[seat.name])
        registry.buying.shares = shares(self._config, seat.name, wants)
        judged = registry.judged
        if registry.buying.closed.why or judged.closed_by or judged.strangers or self._freeze.told():
            return {}
        seat.state.wanted = tuple(queue for queue, want in wants.items() if want.n)
        return wants

    def _missing(
        self, seat: SubmitterPost, registry: Registry, wants: Mapping[str, Want], now: float
    ) -> dict[str, int]:
        """VMs that are missing, by queue: of those for which a worker can be made now."""
        have = Counter(vm.queue for vm in registry.vms() if vm.supply)
        back = Counter(vm.queue for vm in registry.vms() if self._may_come_back(vm, registry))
        served = have + back + registry.judged.withheld
        missing = {
            queue: min(want.n, registry.buying.shares.get(queue, want.n)) - served[queue]
            for queue, want in wants.items()
            if queue not in registry.judged.closed_for
        }
        return {queue: n for queue, n in missing.items() if n > 0 and self._can_be_made(seat, queue, now)}

    def _may_come_back(self, vm: Vm, registry: Registry) -> bool:
        """One whose launch gets no answer may have started: it is not bought a second time here."""
        if vm.state in (State.LAUNCHING, State.BOOTING):
            return bool(vm.unwanted or vm.awaits_answer) and not vm.astray
        return cancellable(vm, registry.judged.machines.get(vm.id))

    def _launch(
        self,
        seat: SubmitterPost,
        term: Term,
        registry: Registry,
        launches: list[Planned],
        wants: Mapping[str, Want],
    ) -> None:
        """Write the intents and their rows, with the sentences that they are bought for, then send."""
        told = {
            queue: Because(evidence=want.reasons[-MOST_EVIDENCE:], decision=want.decision)
            for queue, want in wants.items()
        }
        because = {vm.id: told[vm.queue] for _, vms in launches for vm in vms}
        registry.launch(term, [intent for intent, _ in launches], [vm for _, vms in launches for vm in vms], because)
        for intent, vms in launches:
            log.info(
                "launch",
                cloud=seat.name,
                queue=intent.queue,
                vms=len(vms),
                intent=intent.id,
                decision=intent.decision,
            )
            self._send(seat, intent, look_first=False)

    def _can_be_made(self, seat: SubmitterPost, queue: str, now: float) -> bool:
        """Whether there is a recipe for workers of a queue that wants VMs; if not, a look follows when there is."""
        made = seat.state.recipes.get(queue)
        if self._is_old(seat, queue, now):
            self._make_recipe(seat, queue)
        if made and now - made.at <= 2 * RECIPE_OLD_S:
            return True
        seat.state.awaited.add(queue)
        return False

    def _used_up(self, seat: SubmitterPost, queue: str) -> None:
        """It was of one launch; whoever wants more gets them with the next one."""
        del seat.state.recipes[queue]
        seat.state.awaited.add(queue)
        self._make_recipe(seat, queue)

    def _make_recipes_ahead(self, seat: SubmitterPost, now: float) -> None:
        """Each is a token that the operator's command mints: not every ten minutes for a thousand idle queues."""
        ready = dict.fromkeys((*seat.state.wanted, *self._queues[seat.name][:RECIPES_AHEAD]))
        old = [queue for queue in ready if self._is_old(seat, queue, now)]
        for queue in old[:RECIPES_AHEAD]:
            self._make_recipe(seat, queue)

    def _is_old(self, seat: SubmitterPost, queue: str, now: float) -> bool:
        made = seat.state.recipes.get(queue)
        return made is None or now - made.at > RECIPE_OLD_S

    def _make_recipe(self, seat: SubmitterPost, queue: str) -> None:
        """It is made off this thread; an old one serves meanwhile."""
        key = f"recipe {seat.name} {queue}"
        settings = self._config.pools[self._config.queues[queue].pool]
        launch = new_launch() if one_a_launch(settings.worker_identities) else ""
        make, made = partial(self._recipe, seat.name, queue, launch), partial(self._recipe_made, seat, queue, launch)
        self.call(seat, "launch", key, make, made, wakes=False)

    def _recipe_made(self, seat: SubmitterPost, queue: str, launch: str, got: str | Exception) -> None:
        if isinstance(got, RecipeFailed):
            self.look_in(seat, 0.0)
            registry = self._registries.of(self.terms.need(seat.post))
            self._close(registry, Closing.NO_WORKER, got, self._config.clouds[seat.name].closed_s)
            return
        if isinstance(got, Exception):
            raise got
        seat.state.recipes[queue] = Made(user_data=got, at=self._now(), launch=launch)
        if queue in seat.state.awaited:
            seat.state.awaited.discard(queue)
            self.look_in(seat, 0.0)

    # --- sending, and learning what came of it

    def _resolve(self, seat: SubmitterPost, registry: Registry, now: float) -> None:
        """Launches without an answer: again, with the same token, each after its pause; what another host had in hand
        at once, since what it did not reach this one may."""
        for intent in registry.intents():
            pause = pause_s(AGAIN_S, intent.tries) if intent.tried >= seat.state.began else 0.0
            if intent.state is Launch.SENT and now - intent.tried >= pause and intent.id not in seat.state.started:
                self._send(seat, intent, look_first=True)

    def _send(self, seat: SubmitterPost, intent: Intent, look_first: bool) -> None:
        cloud, terms, term, freeze = self._clouds[seat.name], self.terms, self.terms.need(seat.post), self._freeze

        def call() -> tuple[Instance, ...]:
            terms.still(term)
            found = cloud.find(intent.id, intent.token) if look_first else ()
            if len(found) == intent.count:
                return found
            terms.still(term)
            freeze.check()
            return cloud.launch(intent.request)

        self.call(seat, "launch", f"launch {intent.id}", call, partial(self._answered, seat, intent), wakes=False)

    def _answered(self, seat: SubmitterPost, intent: Intent, got: tuple[Instance, ...] | Exception) -> None:
        """What was started in full waits for the next look, which writes all of them; other answers change what is
        bought next, and are told at once.
        """
        term = self.terms.need(seat.post)
        registry, now = self._registries.of(term), self._now()
        if isinstance(got, tuple) and len(got) == intent.count and not registry.buying.closed.why:
            seat.state.started[intent.id] = (intent, got)
            self.look_in(seat, STARTED_MAY_WAIT_S)
            return
        seat.state.show_at = 0.0
        self.look_in(seat, 0.0)
        match got:
            case tuple():
                self._tell_started(registry, term, intent, got, now)
            case Throttled() | Unknown():
                self._try_again(registry, term, intent, got, now)
            case CloudError():
                self._refused(registry, term, intent, got, now)
            case FrozenHere():
                log.warning("launch waits", cloud=registry.cloud, intent=intent.id, why=str(got))  # it is tried again
            case Exception():
                raise got

    def _tell_started(
        self, registry: Registry, term: Term, intent: Intent, instances: tuple[Instance, ...], now: float
    ) -> None:
        pairs, done = self._started(registry, intent, instances, now)
        registry.change(term, pairs, [done])
        if len(instances) < intent.count:
            registry.refuse(term, "no capacity for more", intent.written, now, Opening.FULL)
        elif registry.buying.closed.code in UNTIL_IT_ANSWERS:
            self._open(registry)  # it takes launches again: a dearer cloud is not needed any longer

    def _write_started(self, seat: SubmitterPost, term: Term, registry: Registry) -> None:
        """Kept until they are written; should this host die before, the next one asks the cloud by token and tag."""
        answered = seat.state.started
        if not answered:
            return
        now = self._now()
        each = [self._started(registry, intent, instances, now) for intent, instances in answered.values()]
        registry.change(term, [pair for pairs, _ in each for pair in pairs], [done for _, done in each])
        answered.clear()

    def _started(
        self, registry: Registry, intent: Intent, instances: tuple[Instance, ...], now: float
    ) -> tuple[list[tuple[Vm, Vm]], Intent]:
        """Rows that got an instance boot; where the cloud gave fewer than asked, it had no more."""
        by_row = {row_id(instance): instance for instance in instances}
        pairs = []
        for vm in self._rows(registry, intent):
            instance = by_row.get(vm.id)
            short = f"the cloud had room for {len(instances)} of {intent.count}"
            pairs.append((vm, started(vm, instance, now) if instance else move(vm, Event.REFUSED, now, short)))
        told = f"{len(instances)} of {intent.count} started"
        return pairs, replace(intent, state=Launch.DONE, request="", reason=told)

    def _try_again(self, registry: Registry, term: Term, intent: Intent, error: CloudError, now: float) -> None:
        """The jobs do not wait for a cloud that does not answer: its VMs count as given up, and others are bought
        elsewhere. If they come after all they serve what is wanted then, or are drained.
        """
        tries = intent.tries + 1
        unknown = str(error) if isinstance(error, Unknown) else intent.unknown
        silent = bool(unknown) and tries >= PATIENCE and not isinstance(error, TokenUsed)  # that one was started
        given_up = [(vm, replace(vm, silent=now)) for vm in self._rows(registry, intent) if not vm.silent]
        again = replace(intent, unknown=unknown, tried=now, tries=tries)
        registry.change(term, given_up if silent else [], [again])
        what = "launch unknown" if unknown else "launch throttled"
        log.warning(what, cloud=registry.cloud, intent=intent.id, why=str(error), tries=tries)
        self._gauges.errors.labels(registry.cloud, type(error).__name__).inc()
        if silent:
            self._close(registry, Closing.SILENT, error, self._config.clouds[registry.cloud].closed_s)
        elif isinstance(error, Throttled):
            self._close(registry, Closing.THROTTLED, error, AGAIN_S[-1])

    def _refused(self, registry: Registry, term: Term, intent: Intent, error: CloudError, now: float) -> None:
        told = f"{type(error).__name__}: {error}"
        pairs = [(vm, move(vm, Event.REFUSED, now, told)) for vm in self._rows(registry, intent)]
        registry.change(term, pairs, [replace(intent, state=Launch.REFUSED, request="", reason=told)])
        self._gauges.errors.labels(registry.cloud, type(error).__name__).inc()
        if not isinstance(error, Spent):
            full = isinstance(error, NoCapacity | Quota)
            registry.refuse(term, told, intent.written, now, Opening.FULL if full else Opening.REFUSED)

    def _rows(self, registry: Registry, intent: Intent) -> list[Vm]:
        ids = [f"{intent.id}-{index}" for index in range(intent.count)]
        rows = [registry.vm(vm_id) for vm_id in ids]
        return [vm for vm in rows if vm is not None and vm.state is State.LAUNCHING]

    def _close(self, registry: Registry, code: Closing, error: Exception, for_s: float) -> None:
        """Nothing is started here for a while; the schedulers spill to the next tier at once."""
        why = f"{CLOSED_FOR[code]}: {error}"
        registry.buying.closed = Closed(why=why, until=self._now() + for_s, code=code)
        log.warning("cloud closed", cloud=registry.cloud, why=why, for_s=for_s)
