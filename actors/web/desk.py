"""What every answer needs: the configuration, what was seen last, who may. One of it in an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import HTTPException, Request

from actors.config.mistakes import did_you_mean
from actors.config.schema import Config
from actors.console.status_model import CloudStatus, QueueStatus, Status, VmStatus
from actors.web.access import Rules, Visitor, WebAsked, caller, may
from actors.web.events import EventLog
from actors.web.guards import Rate
from actors.web.snapshot import Snapshots
from actors.web.tokens import Right

WISHES_A_MINUTE = 60
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    config: Config
    rules: Rules
    snapshots: Snapshots
    log: EventLog
    wishes: Rate = field(default_factory=lambda: Rate(WISHES_A_MINUTE, 60.0))

    @classmethod
    def of(cls, request: Request) -> Desk:
        desk: Desk = request.app.state.desk
        return desk

    def status(self) -> Status:
        """As read last. Raises HTTPException 503 where it was never read."""
        seen = self.snapshots.now()
        if seen.status is None:
            raise HTTPException(503, f"the factory's Redis cannot be read: {seen.away}")
        return seen.status

    def queue(self, name: str) -> QueueStatus:
        """Raises HTTPException 404 with the names that there are."""
        return _one("queue", name, {one.name: one for one in self.status().queues})

    def cloud(self, name: str) -> CloudStatus:
        """Raises HTTPException 404 with the names that there are."""
        return _one("cloud", name, {one.name: one for one in self.status().clouds})

    def vms(self, *, cloud: str = "", queue: str = "", state: str = "", text: str = "") -> Iterable[VmStatus]:
        """Those of all that is given; `text` is looked for in their names and reasons."""
        for vm in self.status().vms:
            fits = cloud in ("", vm.cloud) and queue in ("", vm.queue) and state in ("", vm.state)
            if fits and (not text or any(text in said for said in (vm.id, vm.instance_id, vm.machine, vm.why))):
                yield vm


def _one(what: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise HTTPException(404, f"there is no {what} {name!r}; {did_you_mean(name, known)}")
    return known[name]


def asked_by(request: Request) -> WebAsked:
    client = request.client.host if request.client else ""
    return WebAsked(client=client, headers=request.headers, cookies=request.cookies)


def reader(request: Request) -> Visitor:
    """Raises access.Denied."""
    return _caller(request, Right.READ)


def wisher(request: Request) -> Visitor:
    """Raises access.Denied; HTTPException 429."""
    who = _caller(request, Right.WISH)
    if not Desk.of(request).wishes.take(who.name):
        raise HTTPException(429, f"{who.name}: more than {WISHES_A_MINUTE} wishes a minute; wait a moment")
    return who


def _caller(request: Request, scope: Right) -> Visitor:
    rules, asked = Desk.of(request).rules, asked_by(request)
    who = caller(rules, asked)
    may(rules, who, scope, asked)
    return who
