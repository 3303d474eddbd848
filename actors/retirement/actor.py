"""Retirement follows each VM from its first ad to its end. The folder's first file has the picture of a look."""

from __future__ import annotations

from collections.abc import Mapping

from actors.clouds.port import Cloud
from actors.policies.disruption.converge import not_replaced
from actors.pools.port import Pool
from actors.retirement.acts import Acts
from actors.retirement.advance import Advance
from actors.retirement.answers import Answers
from actors.retirement.converge import Converge, Decided
from actors.retirement.learn import Learn
from actors.retirement.observe import Observe, Observed
from actors.retirement.orphans import Orphans
from actors.retirement.seat import CloudSeat, RetirementSeat
from actors.retirement.sightings import Sightings
from actors.retirement.write import Write
from actors.runtime.messages import LookAtListing, LookAtStartds
from actors.runtime.post_actor import PostActor
from actors.runtime.publisher import Noticeboard
from actors.runtime.services import Services
from actors.store.vms import Registries
from broker.envelope import Message
from broker.posts.leases import Term

LOOK_S = 5.0
QUIET_LOOK_S = 10.0  # no VM lives here: what changes that comes with mail
READING_MAY_WAIT_S = 0.1  # readings come each few seconds, and launches that follow from the same ones go first


class Retirement(PostActor[RetirementSeat]):
    title = "retirement"

    def __init__(
        self,
        services: Services,
        registries: Registries,
        board: Noticeboard,
        pools: Mapping[str, Pool],
        clouds: Mapping[str, Cloud],
    ) -> None:
        super().__init__(services.terms, services.calls, services.gauges)
        self._services, self._board = services, board
        self._answers = Answers(services, registries)
        self._observe = Observe(services, registries)
        self._advance = Advance(services)
        self._converge = Converge(services, self.under_way)
        self._write = Write(board)
        self._learn = Learn(self, services, pools)
        self._orphans = Orphans(self, services, pools)
        self._act = Acts(self, services, self._answers, pools, clouds)

    def interval_s(self, seat: CloudSeat) -> float:
        return QUIET_LOOK_S if seat.kept and seat.kept.quiet else LOOK_S

    def may_wait_s(self, news: Message) -> float:
        return READING_MAY_WAIT_S if isinstance(news, (LookAtStartds, LookAtListing)) else 0.0

    def begin(self, seat: CloudSeat, term: Term) -> RetirementSeat:
        began = self._services.now() - self.terms.age_s(term)
        return RetirementSeat(sightings=Sightings(self._services.config, self._services.table, seat.name, began))

    def look(self, seat: CloudSeat, term: Term) -> None:
        self._answers.write_empty(seat, term)
        seen = self._observe(seat, term)
        rows = self._advance(seen)
        decided = self._converge(seen, rows)
        changed = self._write(seen, decided)
        self._learn(seen, changed)
        self._act(seen, decided)
        self._orphans(seen)
        self._tell(seen, decided)

    def _tell(self, seen: Observed, decided: Decided) -> None:
        """Forget what ended long ago, and show schedulers what is there now."""
        registry, state = seen.registry, seen.seat.state
        kept = {vm.id for vm in not_replaced(registry.vms(), decided.wishes)}
        state.sightings.forget(registry.forget(seen.term, seen.now, kept))
        registry.judged.suspects = _suspects(seen)
        self._board.show(seen.term, registry)
        state.quiet = not any(vm.alive for vm in registry.vms())


def _suspects(seen: Observed) -> dict[str, str]:
    """By VM id, what else answers or advertises in the place of one that lives."""
    wrong = seen.seat.state.wrong
    alive = {vm.id for vm in seen.registry.vms() if vm.alive}
    for ended in wrong.keys() - alive:
        del wrong[ended]
    found = seen.sightings.impostors() | seen.sightings.doubtful() | wrong
    return {key: why for key, why in found.items() if key in alive}
