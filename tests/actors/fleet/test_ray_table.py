"""What Ray's autoscaler expects of an instance, and what this project does with a VM in the same place.

Source: ray-project/ray, python/ray/autoscaler/v2/tests/test_reconciler.py at commit 01624ad (behaviour; none of its
code).

Its states in this project's words: Requested is launching; Allocated and Ray installing are booting; Ray running is
ready; Ray stop requested is a drain that is asked for; Ray stopping is draining; Ray stopped is drained; Terminating is
ending; Terminated and Allocation failed are over. Queued is a launch that is to be requested anew. A Ray node is a
startd's ad, a cloud instance one of a listing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.fleet.adoption import births, orphans
from actors.fleet.drain_and_hold import POLICY
from actors.fleet.evidence import Health
from actors.fleet.lifecycle import Event, move
from actors.fleet.matching import match
from actors.fleet.observations import Instance, Machine
from actors.fleet.reconcile import ASK_AGAIN_S, World, drain
from actors.fleet.vm import State, Vm
from tests.actors.fleet.made import NOW, drained_slot, draining_slot, instance, listed, machine, slot, vm, world
from tests.actors.fleet.outside import OVER, Row, cases, check, not_wanted, outcome, seen, young

LAUNCHING = young(vm(State.LAUNCHING))
BOOTING = young(vm(State.BOOTING))
LATE = vm(State.BOOTING)  # launched 1,000 s ago, its boot deadline is 300 s
READY = vm()
ASKED = drain(READY, NOW - 1_000, POLICY, "not wanted")  # no answer to the request yet
DRAINING = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100, request_id="1")
DRAINED = vm(State.DRAINED, nonce="x-0.1", drains=1)
ENDING = vm(State.ENDING, end_asked=NOW - 5)
ENDED = vm(State.ENDED)

RUNS = machine(slot("Claimed", "Busy"))
DRAINS = machine(draining_slot("x-0.1"))
THERE = listed(instance())
NOTHING = listed()

NOT_EVIDENCE = "what is not seen is no evidence: listings and collectors forget for minutes, and the job runs on"
SAME_TOKEN = "a second request could buy a second VM: the same one, with its token, is asked for until it is answered"
ONCE_MORE = "the startd itself is asked once more right before the end"


def row(case: str, they: str, run: Callable[[], str], we: str = "", differs: str = "") -> Row:
    return Row(case=case, they=they, run=run, we=we, differs=differs)


def born(one: Instance) -> Callable[[], str]:
    """What becomes of a launching VM when a listing shows this instance."""

    def run() -> str:
        found = births([LAUNCHING], listed(one))
        return outcome(found[0] if found else LAUNCHING)

    return run


def found(one: Instance, *rows: Vm) -> Callable[[], str]:
    """The row that is made for an instance beside these rows."""

    def run() -> str:
        made = orphans(rows, listed(one), "private", 0.0)
        return outcome(made[0]) if made else "no row"

    return run


def shared(*rows: Vm, of: int = -1) -> Callable[[], str]:
    """What becomes of one of these rows, all with one instance id, when its startd is seen."""

    def run() -> str:
        one = World(
            now=NOW, boot_deadline_s=300.0, listed=THERE, instances={"i-1": instance()}, matched=match([RUNS], rows),
            read_at=NOW,
        )  # fmt: skip
        return seen(rows[of], one)()

    return run


def healthy(was: Vm, *ads: Machine, **more: object) -> Callable[[], str]:
    return seen(was, world(*ads, of=was, **more))  # type: ignore[arg-type]


ROWS = (
    # --- requested
    row("requested, nothing seen yet", "launching", healthy(LAUNCHING)),
    row("requested, its cloud instance is there", "booting", born(instance())),
    row("requested, another one's cloud instance is there", "launching", born(instance(intent="y"))),
    row("requested, the launch failed", OVER, lambda: outcome(move(LAUNCHING, Event.REFUSED, NOW, "no capacity"))),
    row("requested, each type of the launch failed", f"{OVER}, {OVER}",
        lambda: ", ".join(outcome(move(replace(LAUNCHING, id=f"x-{n}"), Event.REFUSED, NOW, "no")) for n in (0, 1))),
    row("stuck requested, before its time-out", "launching", healthy(LAUNCHING)),
    row("stuck requested, retries left", "queued anew", healthy(vm(State.LAUNCHING)), "launching", SAME_TOKEN),
    row("stuck requested, no retry left", OVER, healthy(vm(State.LAUNCHING)), "launching", SAME_TOKEN),
    # --- allocated
    row("allocated, no node yet", "booting", healthy(BOOTING, listing=THERE)),
    row("allocated, a new node runs there", "ready", healthy(BOOTING, RUNS, listing=THERE)),
    row("allocated, a terminated row has the same instance", "ready", shared(ENDED, replace(BOOTING, id="x-1"))),
    row("allocated, a terminated row with the same instance comes later", "ready",
        shared(replace(BOOTING, id="x-1"), ENDED, of=0)),
    row("allocated, the cloud instance is gone from the listing", OVER, healthy(BOOTING, listing=NOTHING), "booting",
        NOT_EVIDENCE),
    row("allocated, the cloud says terminated", OVER, healthy(BOOTING, listing=listed(instance("terminated")))),
    row("stuck allocated, before its time-out", "booting", healthy(BOOTING, listing=THERE)),
    row("stuck allocated, after its time-out", "ending, asked", healthy(LATE, listing=THERE)),
    row("stuck allocated, while the pool cannot be read", "ending, asked",
        healthy(LATE, listing=THERE, health=Health(source="pool/local")), "booting",
        "a deadline that rests on absence runs only while the pool was healthy"),
    row("stuck allocated, an unknown node of its kind is there", "ending, asked",
        healthy(LATE, machine(slot(), instance_id="i-unknown"), listing=THERE), "booting",
        "that startd may be the one that seems late"),
    # --- running
    row("running, node is idle", "ready", healthy(READY, machine(slot()), listing=THERE)),
    row("running, node drains", "draining", healthy(READY, DRAINS, listing=THERE)),
    row("running, node drains for somebody else", "draining",
        healthy(READY, machine(slot("Claimed", "Retiring", drain_reason="defrag", draining=True)), listing=THERE),
        "ready", "a drain that is not ours is its owner's: it may be taken back, and ends no VM"),
    row("running, node is missing", "ending", healthy(READY, listing=THERE), "ready", NOT_EVIDENCE),
    row("running, node is dead and its instance not listed", OVER, healthy(READY, listing=NOTHING), "ready",
        NOT_EVIDENCE),
    row("running, node drains and its instance is not listed", OVER, healthy(READY, DRAINS, listing=NOTHING),
        "draining", NOT_EVIDENCE),
    row("running, node restarted on the same instance", "ready",
        healthy(READY, machine(slot(), address="<10.0.0.5:40000>"), listing=THERE)),
    row("running, idle and not wanted", "draining, asked", not_wanted(READY)),
    row("running, a stale row shares its instance", "ready", shared(ENDED, replace(READY, id="x-1"))),
    # --- stopping
    row("stop requested, before its time-out", "draining, asked", healthy(ASKED, machine(slot()))),
    row("stop requested, no answer in time", "ready", healthy(ASKED, machine(slot()), listing=THERE),
        "draining, asked", "the request may have worked: it is asked for until the startd answers, or refuses"),
    row("stop requested, it failed for sure", "ready",
        lambda: outcome(move(ASKED, Event.DECLINED, NOW, "the startd refused"))),
    row("stop requested, node is missing", "ending", healthy(ASKED, listing=THERE), "draining, asked", NOT_EVIDENCE),
    row("stopping, node drains", "draining", healthy(DRAINING, DRAINS, listing=THERE)),
    row("stopping, node is dead", "ending", healthy(DRAINING, listing=THERE), "draining", NOT_EVIDENCE),
    row("stopping, node is empty", "drained, looked at once more",
        healthy(DRAINING, machine(drained_slot("x-0.1")), listing=THERE)),
    row("stopped", "ending", healthy(DRAINED, listing=THERE), "drained, looked at once more", ONCE_MORE),
    # --- terminating
    row("terminating, node still idle", "ending", healthy(ENDING, machine(slot()), listing=THERE)),
    row("terminating, node drains", "ending", healthy(ENDING, DRAINS, listing=THERE)),
    row("terminating, before its time-out", "ending", healthy(ENDING, listing=THERE)),
    row("stuck terminating, the call is made again", "ending, asked",
        healthy(replace(ENDING, end_asked=NOW - ASK_AGAIN_S), listing=THERE)),
    row("terminating, the cloud says terminated", OVER, healthy(ENDING, listing=listed(instance("terminated")))),
    row("terminating, not listed any more", OVER, healthy(ENDING, listing=NOTHING)),
    row("terminating, not listed before the call was accepted", OVER,
        healthy(ENDING, listing=listed(at=NOW - 60)), "ending", "a listing begun before the end proves nothing of it"),
    row("terminated, whatever its age", OVER, healthy(replace(ENDED, since=1.0), listing=THERE)),
    # --- found
    row("extra cloud instance", "booting", found(instance(id="i-2", intent="z"))),
    row("extra node whose instance no listing shows", "ready", found(instance("terminated", id="i-3")), "no row",
        "an ad is a worker's word: a row needs an instance that the cloud lists with our tags"),
    row("a terminated instance runs again", "booting", found(instance(), replace(ENDED, since=NOW - 3_000))),
    row("an instance that ended a moment ago is still listed", "booting", found(instance(), replace(ENDED, since=NOW)),
        "no row", "clouds list with a delay: nothing is adopted that ended within the last minute"),
)  # fmt: skip


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_vm_goes_where_an_instance_goes_or_there_is_a_reason(row: Row) -> None:
    check(row)
