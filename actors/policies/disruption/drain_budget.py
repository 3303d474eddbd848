"""How many VMs may be drained at once, how fast, and when: the disruption budget of a cloud, and of a queue on a cloud.

Two kinds of drains. Those that somebody may choose the time of, policy's and the operator's, ask the budget before they
begin, the operator's first; one that has to wait says why in its VM's row, and is asked for again at each look. Those
that nobody chooses (a spot notice, a kill, a VM that the cloud ends) are not held back; but they use the budget up,
since what it protects is how much is missing, whoever took it away.

What is counted stands in the rows, so a new holder of the cloud's post counts the same. A VM counts from the moment its
drain is decided until it has ended; one whose drain is taken back counts no more, but did begin in its minute. A share
is of the VMs that have joined and not ended, rounded down, and never less than one, or a small fleet could not shrink.
A queue's budget is for its VMs on each cloud by itself, because a cloud's holder knows only its own.

A VM that was given up while it booted asks nobody: it has not served, so nothing is missing without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from actors.fleet.vm import State, Vm
from actors.policies.disruption.cron_windows import Minutes

MINUTE_S = 60.0
AWAY = frozenset({State.DRAINING, State.DRAINED, State.ENDING})
JOINED = AWAY | {State.READY}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRules:
    """What is None or empty does not limit. `share` is a part of one."""

    at_once: int | None = None
    share: float | None = None
    per_minute: int | None = None
    when: tuple[Minutes, ...] = ()

    def __bool__(self) -> bool:
        return self != UNLIMITED


UNLIMITED = DrainRules()


class DrainBudget:
    """What drains may still begin at one look. Ask `may`; it counts what it allows."""

    def __init__(self, cloud: DrainRules, queues: Mapping[str, DrainRules], vms: Collection[Vm], now: float) -> None:
        """`queues`: the rules of each queue for its VMs here; `vms`: all rows of the cloud, ended ones too."""
        self._everywhere = _Group("this cloud", cloud, vms, now) if cloud else None
        self._queues = {
            name: _Group(f"queue {name} here", rules, [vm for vm in vms if vm.queue == name], now)
            for name, rules in queues.items()
            if rules
        }
        self.waiting: dict[str, str] = {}  # VM id -> why its drain did not begin

    def may(self, vm: Vm) -> bool:
        """Whether the drain of this VM may begin now. If so it counts as begun; if not, `waiting` says why."""
        groups = [group for group in (self._everywhere, self._queues.get(vm.queue)) if group]
        why = next((why for group in groups if (why := group.full())), "")
        if why:
            self.waiting[vm.id] = why
            return False
        for group in groups:
            group.begin()
        return True


class _Group:
    """VMs that share one set of rules."""

    def __init__(self, name: str, rules: DrainRules, vms: Iterable[Vm], now: float) -> None:
        self._name, self._rules = name, rules
        self._open = not rules.when or any(minutes.hold(now) for minutes in rules.when)
        joined = [vm for vm in vms if vm.joined and vm.state in JOINED]
        self._joined = len(joined)
        self._away = sum(vm.state in AWAY for vm in joined)
        self._begun = sum(0 <= now - vm.drain_begun < MINUTE_S for vm in vms if vm.drain_begun)

    def begin(self) -> None:
        self._away += 1
        self._begun += 1

    def full(self) -> str:
        """Why no drain may begin; a sentence that stays the same while its cause does."""
        rules = self._rules
        if not self._open:
            return f"{self._name} drains only in the minutes {' or '.join(one.text for one in rules.when)} (UTC)"
        if rules.at_once is not None and self._away >= rules.at_once:
            return f"{self._name} may have {rules.at_once} VM{_s(rules.at_once)} drained at once"
        if rules.share is not None and self._away >= max(1, int(rules.share * self._joined)):
            return f"{self._name} may have {rules.share:.0%} of its VMs drained at once"
        if rules.per_minute is not None and self._begun >= rules.per_minute:
            return f"{self._name} may begin {rules.per_minute} drain{_s(rules.per_minute)} a minute"
        return ""


def _s(count: int) -> str:
    return "" if count == 1 else "s"
