"""What an operator said, once it was accepted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actors.fleet.vm import Vm


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`selector` is "vm", "cloud" or "queue", `name` which. Times are Redis seconds; without effect after `ends`."""

    id: str
    verb: str
    selector: str
    name: str
    reason: str
    by: str
    at: float
    ends: float

    def concerns(self, vm: Vm) -> bool:
        """A VM by its id or instance id; of a cloud or queue, those that were there when the wish was accepted."""
        if self.selector == "vm":
            return self.name in (vm.id, vm.instance_id)
        return self.name == (vm.cloud if self.selector == "cloud" else vm.queue) and vm.born <= self.at


def concerning(wishes: Iterable[Wish], vm: Vm) -> Wish | None:
    """The first wish that this VM falls under."""
    return next((wish for wish in wishes if wish.concerns(vm)), None)
