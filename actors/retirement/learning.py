"""What workers that joined advertise: each of the newest few is asked for once, and a row keeps what most of them say.

It is lost with the post but for the row, and the next holder asks anew those that are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from actors.fleet.joined import agreed
from actors.fleet.vm import State, Vm
from actors.store.vms import Registry
from broker.posts.leases import Term

AGAIN_S = 60.0  # after a question without an answer
TRIES = 5  # for one worker

Ads = Mapping[tuple[str, str], Mapping[str, str]]  # by name and address: ClassAd literals by attribute


class Learning:
    """Of one cloud, for one term."""

    def __init__(self) -> None:
        self._ads: dict[str, Mapping[str, str]] = {}  # by VM id, of those whose offers are known
        self._tries: Counter[str] = Counter()
        self._due = 0.0

    def unasked(self, registry: Registry, now: float) -> list[Vm]:
        """Ready workers of the present promise whose ads are to be asked for now; asking counts as a try."""
        if now < self._due:
            return []
        offers = {offer.vm for offer in registry.joined.offers}
        self._ads = {key: ad for key, ad in self._ads.items() if key in offers}
        self._tries = Counter({key: n for key, n in self._tries.items() if key in offers})
        vms = [vm for key in offers - self._ads.keys() if self._tries[key] < TRIES and (vm := registry.vm(key))]
        found = [vm for vm in vms if vm.state is State.READY and vm.machine]
        if found:
            self._tries.update(vm.id for vm in found)
            self._due = now + AGAIN_S
        return found

    def take(self, term: Term, registry: Registry, vms: Sequence[Vm], ads: Ads) -> None:
        """An ad from another address than the VM's startd has is another's."""
        found = {vm.id: ad for vm in vms if (ad := ads.get((vm.machine, vm.machine_address)))}
        self._ads |= found
        joined = registry.joined
        of_now = [self._ads[offer.vm] for offer in joined.offers if offer.vm in self._ads]
        if found and of_now:
            registry.learn_attributes(term, agreed(joined.attributes, of_now))
