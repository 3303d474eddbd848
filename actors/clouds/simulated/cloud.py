"""A cloud in a simulated world (deploy/lab/world), with the manners of EC2: tokens, as many as fit, safe repeats."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from actors.clouds.port import CloudError, NoCapacity, Order, Quota, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.clouds.simulated.link import WorldAway, WorldLink, WorldRefused
from actors.clouds.spot_notices import QueuedMessage
from actors.config.findings import Finding
from actors.config.schema import Config, SimulatedCloud
from actors.fleet.number_of import number_of
from actors.fleet.observations import Instance, Listed

_LONGEST_TOKEN = 64
_NOTICES_AGAIN_S = 0.5
_REMEDIES: dict[str, Callable[[str, str], CloudError]] = {
    "no-capacity": NoCapacity,
    "quota": Quota,
    "throttled": Throttled,
    "spent": Spent,
    "token-mismatch": TokenUsed,
}


class WorldCloud:
    """One cloud of the configuration, for one factory."""

    def __init__(self, name: str, config: SimulatedCloud, factory: str) -> None:
        self.name, self._config, self._factory = name, config, factory
        self._link = WorldLink(config.world, config.timeout_s)

    @classmethod
    def of(cls, name: str, config: Config) -> WorldCloud:
        cloud = config.clouds[name]
        if not isinstance(cloud, SimulatedCloud):
            raise TypeError(f"cloud {name} is of kind {cloud.kind}")
        return cls(name, cloud, config.factory.name)

    def prepare(self, order: Order) -> str:
        request = {
            "cloud": self.name,
            "factory": self._factory,
            "count": order.count,
            "token": order.token,
            "queue": order.queue,
            "intent": order.intent,
            "decision": order.decision,
            "pool": order.pool,
            "cpus": self._config.shape.cpus,
            "memory_mib": self._config.shape.memory_mib,
            "usd_per_hour": self._config.usd_per_hour,
        }
        return json.dumps(request, sort_keys=True)

    def launch(self, request: str) -> tuple[Instance, ...]:
        facts = json.loads(request)
        if len(facts["token"]) > _LONGEST_TOKEN:
            raise Refused(f"the token has {len(facts['token'])} characters, {_LONGEST_TOKEN} are allowed")
        return _instances(self._ask("launch", request=request, **facts))

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        return _instances(self._ask("find", cloud=self.name, factory=self._factory, intent=intent, token=token))

    def listing(self, now: float) -> Listed:
        mine, foreign = self._ask("listing", cloud=self.name, factory=self._factory)
        return Listed(source=self.name, at=now, instances=_instances(mine), foreign=foreign)

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._ask("end", ids=list(ids))) if ids else ()

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        if ids:
            self._ask("mark_held", cloud=self.name, ids=list(ids), words=words)

    def check(self) -> tuple[Finding, ...]:
        try:
            there = len(self.listing(0.0).instances)
        except CloudError as error:
            return (Finding(what="world", ok=False, text=str(error)),)
        return (Finding(what="world", ok=True, text=f"answers; {number_of(there, 'instance')} of ours"),)

    def close(self) -> None:
        """There is nothing to end: each call has a connection of its own."""

    def _ask(self, operation: str, **arguments: Any) -> Any:
        with _remedied():
            return self._link.call(operation, **arguments)


class Notices:
    """The messages about one cloud's VMs, as a queue would bring them: until they are deleted."""

    def __init__(self, name: str, config: SimulatedCloud) -> None:
        self._name, self._link = name, WorldLink(config.world, config.timeout_s)
        self._over = threading.Event()

    def receive(self, wait_s: int) -> tuple[QueuedMessage, ...]:
        deadline = time.monotonic() + wait_s
        while True:
            with _remedied():
                found = self._link.call("notices", cloud=self._name)
            if found or time.monotonic() >= deadline or self._over.wait(_NOTICES_AGAIN_S):
                return tuple(QueuedMessage(body=body, receipt=receipt) for receipt, body in found)

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        with _remedied():
            self._link.call("drop_notices", cloud=self._name, receipts=[one.receipt for one in messages])

    def close(self) -> None:
        self._over.set()


def _instances(rows: Sequence[dict[str, Any]]) -> tuple[Instance, ...]:
    return tuple(Instance(**row) for row in rows)


@contextmanager
def _remedied() -> Iterator[None]:
    try:
        yield
    except WorldAway as away:
        raise Unknown(str(away)) from away
    except WorldRefused as refused:
        raise _REMEDIES.get(refused.kind, Refused)(str(refused), refused.kind) from refused
