"""The fourth phase: what was decided becomes rows, in one fenced call, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence

from actors.fleet.history import Because, because
from actors.fleet.vm import Vm
from actors.policies.disruption.converge import withheld
from actors.retirement.converge import Decided
from actors.retirement.observe import Observed
from actors.runtime.publisher import Noticeboard

Changed = Sequence[tuple[Vm, Vm]]  # each row before and after


class Write:
    def __init__(self, board: Noticeboard) -> None:
        self._board = board

    def __call__(self, seen: Observed, decided: Decided) -> Changed:
        """What changes. One whose row moved on meanwhile is not written, to be decided anew. Raises LeaseLost."""
        changed = [(seen.rows[vm.id], vm) for vm in decided.rows.values() if vm is not seen.rows[vm.id]]
        heard = seen.seat.state.heard
        # first: the submitter may look now
        seen.registry.judged.withheld = withheld(decided.rows.values(), decided.wishes, heard, seen.now)
        seen.registry.change(seen.term, changed, because=_because(seen, changed))
        if any(vm.notice and not before.notice for before, vm in changed):
            self._board.wake_submitter(seen.registry)
        return changed


def _because(seen: Observed, changed: Changed) -> dict[str, Because]:
    """For history: what was seen of each VM that changes, and which decision or wish asked for it."""
    sightings, decisions = seen.sightings, seen.seat.state.decisions
    worlds = sightings.worlds(seen.now) if changed else {}
    return {
        vm.id: because(
            before,
            vm,
            worlds[sightings.pool_of(before)],
            sightings.idle_since.get(vm.id, 0.0),
            decisions.get(vm.queue, ""),
        )
        for before, vm in changed
    }
