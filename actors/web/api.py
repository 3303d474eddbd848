"""REST, version 1: what `--json` of the commands prints, wishes, and a stream of what changes. See `/api/v1/docs.json`.

Shapes are the console's models: fields may be added, none changes its meaning or goes away within a version.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from actors.console import owners, send_wish, why_vm, wishes
from actors.console.opened import store
from actors.console.status_model import CloudStatus, QueueStatus, Status, VmStatus
from actors.store.wants import WishOutcome, read_outcomes
from actors.web.access import Visitor
from actors.web.desk import Desk, reader, wisher
from actors.web.events import MOST_STREAMS, stream

WAIT_S = 5.0
router = APIRouter(prefix="/api/v1")
Reader = Annotated[Visitor, Depends(reader)]
Wisher = Annotated[Visitor, Depends(wisher)]


class NewWish(BaseModel):
    """What is wished. Send it again with the same `id` until there is an outcome: it is one wish. See `apf drain`."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(default_factory=lambda: uuid.uuid4().hex, pattern=r"^[A-Za-z0-9-]{8,64}$")
    verb: Literal["drain", "undrain", "hold", "release", "kill", "freeze", "thaw"]
    selector: Literal["vm", "cloud", "queue", "all"]
    name: str = Field(default="", max_length=200)
    reason: str = Field(min_length=1, max_length=500)
    life_s: float = Field(default=86_400.0, gt=0, le=31_536_000)
    count: int | None = Field(default=None, ge=1, le=100_000)
    replace: bool = True


class Outcome(BaseModel):
    """`verdict`: accepted, refused, or pending: no host has answered yet. `why`: what it does, or why not."""

    id: str
    verdict: str
    why: str = ""


@router.get("/status")
def status(request: Request, _: Reader) -> Status:
    """All that `apf status --json` prints."""
    return Desk.of(request).status()


@router.get("/queues/{name}")
def queue(name: str, request: Request, _: Reader) -> QueueStatus:
    return Desk.of(request).queue(name)


@router.get("/clouds/{name}")
def cloud(name: str, request: Request, _: Reader) -> CloudStatus:
    return Desk.of(request).cloud(name)


@router.get("/vms")
def vms(
    request: Request,
    _: Reader,
    cloud: str = "",
    queue: str = "",
    state: str = "",
    after: str = "",
    most: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
) -> list[VmStatus]:
    """In the order of their ids, beginning after `after`: the last of a page is the next page's `after`."""
    found = Desk.of(request).vms(cloud=cloud, queue=queue, state=state)
    return [vm for vm in sorted(found, key=lambda vm: vm.id) if vm.id > after][:most]


@router.get("/vms/{name}")
def vm(name: str, request: Request, _: Reader) -> why_vm.VmStory:
    """Its life as a story: `apf why CONFIG VM --json`. `name`: its id, its instance id or its startd's name."""
    config = Desk.of(request).config
    try:
        with store(config) as rows:
            return why_vm.read(config, rows, name)
    except why_vm.NotKnown as unknown:
        raise HTTPException(404, str(unknown)) from unknown


@router.get("/owners")
def owning(request: Request, _: Reader) -> owners.Owners:
    return owners.read(Desk.of(request).config)


@router.get("/wishes")
def wished(request: Request, _: Reader, everything: bool = False) -> tuple[wishes.WishLine, ...]:
    return wishes.read(Desk.of(request).config, everything)


@router.get("/wishes/{wish_id}")
def outcome(wish_id: str, request: Request, _: Reader) -> Outcome:
    """What became of it; "pending" while no host has answered, as of one that never was."""
    with store(Desk.of(request).config) as rows:
        return answered(wish_id, read_outcomes(rows.table).get(wish_id))


@router.post("/wishes")
def wish(new: NewWish, request: Request, who: Wisher) -> Outcome:
    """Waits a few seconds for a host's answer; after that, send it again or ask for its outcome."""
    told = new.model_dump()
    verb, selector, name = told.pop("verb"), told.pop("selector"), told.pop("name")
    reason, life_s = told.pop("reason"), told.pop("life_s")
    try:
        wanted = send_wish.wish(verb, selector, name, reason, life_s, by=who.name, **told)
    except send_wish.BadWish as bad:
        raise HTTPException(422, str(bad)) from bad
    return answered(new.id, send_wish.ask(Desk.of(request).config, wanted, WAIT_S))


@router.get("/events")
async def events(request: Request, _: Reader) -> StreamingResponse:
    """Server-sent events: `vm`, `want`, `cloud`, `trouble`; `reset` where some were missed."""
    desk = Desk.of(request)
    if desk.log.streams >= MOST_STREAMS:
        raise HTTPException(503, f"{MOST_STREAMS} streams are open already: look at /api/v1/status instead")
    last = request.headers.get("last-event-id", "")
    after = int(last) if last.isdigit() and len(last) < 16 else desk.log.last
    read = stream(desk.log, lambda: run_in_threadpool(desk.snapshots.now), after)
    return StreamingResponse(read, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def answered(wish_id: str, outcome: WishOutcome | None) -> Outcome:
    return (
        Outcome(id=wish_id, verdict=outcome.verdict, why=outcome.why)
        if outcome
        else Outcome(id=wish_id, verdict="pending")
    )
