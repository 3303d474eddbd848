"""What every pool does for the factory. One conformance suite (tests/actors/pools/conformance.py) runs over all of
them.

Where work waits and where workers join are two things. A `DemandSource` says what waits: a workload system that hands
its jobs to pilots has no startds, and is never asked for any. A `Pool` is one whose startds take the jobs, too. Which
of the two a kind is, its settings say (`AnyPool.has_startds`): none answers "no startds" where there are none by
nature.

Every call may be slow, and every call has a time limit of its own: it returns or raises within it, whatever the daemons
do. Calls are safe from many threads. A failed look raises; it never returns something empty instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from actors.fleet.observations import JobsSeen, Machine, StartdsSeen
from actors.policies.prototype import NO_SLOTS as NO_SLOTS
from actors.policies.prototype import Slot as Slot
from actors.policies.prototype import Slots as Slots


class PoolError(Exception):
    """What a pool did not do. The message says what was asked, what was answered and what to do."""


class PoolAway(PoolError):
    """No answer within the limit, or none at all: look again later; it proves nothing."""


class PoolDenied(PoolError):
    """The pool answered and refused us: tokens, identity or permissions want a person."""


class PoolWrong(PoolAway):
    """Another machine answered in the VM's place. It is no silence, and proves nothing: somebody should look at it."""


class PoolRefused(PoolError):
    """The startd refused this one request (its check expression was false, a wrong request id): the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """One drain request. The startd itself checks the instance id and the retirement time before it takes it."""

    machine: str
    address: str
    instance_id: str
    nonce: str  # stands in DrainReason as "apf <nonce>"
    min_retirement_s: int  # refuse where MaxJobRetirementTime is smaller and a claim is: a graceful drain evicts it


class DemandSource(Protocol):
    """`now` is Redis time in seconds; it becomes the reading's `at`."""

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen:
        """Jobs of this pool's queues by class. A schedd that failed is named in `schedds`, the others still count.

        `slots`: by queue, what its clouds' workers would be: each class has each cloud's answer, where the pool gives
        answers.
        """
        ...

    def close(self) -> None:
        """End child processes and connections. Bounded; safe to repeat."""
        ...


class Pool(DemandSource, Protocol):
    """A source of demand in which workers join: they are seen, drained and asked here."""

    def startds(self, now: float) -> StartdsSeen:
        """All startds that advertise an instance id or a queue of this factory's, without dynamic slots."""
        ...

    def joined(self, instance_ids: tuple[str, ...]) -> tuple[Machine, ...]:
        """Of `startds` those that advertise one of these instances, at most some hundred. It has to be quick whatever
        the pool's size: a VM may be ended because it is not among them, and what joins meanwhile is not seen.
        """
        ...

    def drain(self, order: Drain) -> str:
        """Ask the startd to take no more jobs and to let the running ones end. Returns its request id."""
        ...

    def cancel(self, order: Drain, request_id: str) -> None:
        """Take back our own drain, by its id, only where the startd still shows our nonce. PoolRefused otherwise.

        Where the last job ends meanwhile, the machine may grant nothing from then on: look at it afterwards.
        """
        ...

    def evict(self, order: Drain, request_id: str, nonce: str) -> str:
        """Turn our own drain, by its id and `order.nonce`, into one that ends the running jobs now, each with the time
        that its worker gives it to stop. It carries `nonce`; returns its request id. PoolRefused where ours is not.
        """
        ...

    def look(self, machine: str, address: str) -> Machine:
        """Ask the startd itself, not the collector. PoolAway when it does not answer, PoolWrong if another does."""
        ...

    def wake(self) -> None:
        """Jobs wait and a worker joined: ask that they are matched soon, where that is not done at once anyway. Raises
        PoolDenied where we may not; nothing depends on it.
        """
        ...

    def jobs_on(self, places: tuple[str, ...]) -> dict[str, int]:
        """Running jobs by place as all schedds say: a startd's name, or what jobs also show of where they run: the
        address of its host, and its instance's id where jobs record that. PoolAway unless each schedd answered in full.
        """
        ...


@runtime_checkable
class Advertises(Protocol):
    """What a pool of workers with ads can also do: tell what they advertise, so that it is known of the next ones."""

    def advertised(self, names: tuple[str, ...]) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """Of startds with these names, at most some ten: by name and address, ClassAd literals by attribute. Only what
        may be expected of other workers of their kind; bounded in number and length.
        """
        ...
