"""What an operator said, once it was accepted, and what it means for a VM or a cloud.

Wishes stand beside each other as rows; nobody edits one. Of two opposite verbs (drain and undrain, hold and release,
freeze and thaw) the newest wish that concerns a thing decides for it. So one VM can be taken out of a cloud's drain,
and a wish that ends by its life time needs nobody to take it back. Kill comes before hold, hold before drain, drain
before policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actors.fleet.vm import Vm

OPPOSITE = {"drain": "undrain", "hold": "release", "freeze": "thaw"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`selector` is "vm", "cloud" (each of `names`), "queue" (one name) or "all". Times are Redis seconds.

    Without effect after `ends`. `replace`: whether what it takes out of service may be bought anew.
    """

    id: str
    verb: str
    selector: str
    names: tuple[str, ...]
    reason: str
    by: str
    at: float
    ends: float
    replace: bool = True

    def concerns(self, vm: Vm) -> bool:
        """A VM by its id or instance id; of a group, those that were there when the wish was accepted."""
        if self.selector == "vm":
            return vm.id in self.names or vm.instance_id in self.names
        return vm.born <= self.at and self.concerns_group(vm.cloud, vm.queue)

    def concerns_group(self, cloud: str, queue: str) -> bool:
        """The cloud or the queue as a whole, with whatever comes into it."""
        if self.selector == "all":
            return True
        return {"cloud": cloud, "queue": queue}.get(self.selector) in self.names


def for_vm(wishes: Iterable[Wish], verb: str, vm: Vm) -> Wish | None:
    """The wish of this verb that decides for the VM. `wishes` are the living ones, the oldest first."""
    return _newest(verb, (wish for wish in wishes if wish.concerns(vm)))


def for_cloud(wishes: Iterable[Wish], verb: str, cloud: str) -> Wish | None:
    """The wish of this verb that decides for the cloud as a whole."""
    return _newest(verb, (wish for wish in wishes if wish.concerns_group(cloud, "")))


def for_queue(wishes: Iterable[Wish], verb: str, cloud: str, queue: str) -> Wish | None:
    """The wish of this verb that decides for one queue on one cloud."""
    return _newest(verb, (wish for wish in wishes if wish.concerns_group(cloud, queue)))


def told(wish: Wish) -> str:
    """Who said it and why, for a row's reason."""
    return f"{wish.verb} by {wish.by}: {wish.reason}"


def _newest(verb: str, wishes: Iterable[Wish]) -> Wish | None:
    about = [wish for wish in wishes if wish.verb in (verb, OPPOSITE.get(verb))]
    return about[-1] if about and about[-1].verb == verb else None
