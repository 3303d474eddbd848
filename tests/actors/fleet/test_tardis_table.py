"""What TARDIS expects of a drone, and what this project does with a VM in the same place.

Source: MatterMiners/tardis, tests/resources_t/test_dronestates.py at commit 00842da (behaviour; none of its code).

Its states in this project's words: Request is launching; Booting, Integrate and Integrating (it runs, the pool does not
show it) are booting; Available is ready; Drain is a drain that is still to be asked for; Disintegrate is drained; Shut
down, Shutting down and Cleanup are ending; Down is over. Its resource statuses Booting, Running, Stopped, Deleted are a
listing's pending, running, stopped, terminated; of its machine statuses NotAvailable is an ad that is not there. Rows
for the resource status Error are left out: EC2 has no such state, an instance that fails is terminated.
"""

from __future__ import annotations

import pytest

from actors.fleet.adoption import started
from actors.fleet.drain_and_hold import POLICY
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Machine
from actors.fleet.reconcile import drain
from actors.fleet.vm import State, Vm
from tests.actors.fleet.made import NOW, drained_slot, draining_slot, instance, listed, machine, slot, vm, world
from tests.actors.fleet.outside import OVER, Row, cases, check, not_wanted, outcome, seen, young

LAUNCHING = vm(State.LAUNCHING)
BOOTING = young(vm(State.BOOTING))
READY = vm()
DRAINING = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100, request_id="1")
DRAINED = vm(State.DRAINED, nonce="x-0.1", drains=1)
ENDING = vm(State.ENDING, end_asked=NOW - 5)

AVAILABLE = machine(slot("Claimed", "Busy"))
DRAINS = machine(draining_slot("x-0.1"))
EMPTY = machine(drained_slot("x-0.1"))

MAY_BE_THERE = "the call may have worked: its VM is looked up by token and tag, and nothing is bought in its place"
NOT_EVIDENCE = "what is not seen is no evidence: a collector that restarted forgets every startd for minutes"
STOPPED = "its instances terminate when they stop; one that stopped runs no job, holds no quota and is not asked for"
AD_BEATS_LIST = "an ad with its instance id proves that it runs; the listing trails"
NO_WAY_BACK = "no state leads back to an earlier one because a listing says pending: its job runs"
ONCE_MORE = "the startd itself is asked once more right before the end"


def in_world(was: Vm, state: str, *ads: Machine) -> object:
    """The VM after a listing that shows its instance in this state, and a reading with these ads."""
    return seen(was, world(*ads, of=was, listing=listed(instance(state))))


def row(case: str, they: str, run: object, we: str = "", differs: str = "") -> Row:
    assert callable(run)
    return Row(case=case, they=they, run=run, we=we, differs=differs)


ROWS = (
    row("request works", "booting", lambda: outcome(started(LAUNCHING, instance(), NOW))),
    row("request is refused: credentials, quota", OVER, lambda: outcome(move(LAUNCHING, Event.REFUSED, NOW, "quota"))),
    row("request times out", OVER, seen(LAUNCHING, world(of=LAUNCHING)), "launching", MAY_BE_THERE),
    row("request crashes", "ending", seen(LAUNCHING, world(of=LAUNCHING)), "launching", MAY_BE_THERE),
    # --- booting
    row("booting, resource booting", "booting", in_world(BOOTING, "pending")),
    row("booting, resource runs", "booting", in_world(BOOTING, "running")),
    row("booting, resource deleted", OVER, in_world(BOOTING, "terminated")),
    row("booting, resource stopped", "ending", in_world(BOOTING, "stopped"), OVER, STOPPED),
    row("booting, status call fails", "booting", seen(BOOTING, world(of=BOOTING))),
    row("booting, resource not found", "ending", seen(BOOTING, world(of=BOOTING, listing=listed())), "booting",
        NOT_EVIDENCE),
    row("booting, no demand", "ending", not_wanted(BOOTING), "booting",
        "it may have joined and taken a job since the last reading: it is given up, and drained when it joins"),
    # --- integrating
    row("integrating, runs, not in the pool", "booting", in_world(BOOTING, "running")),
    row("integrating, runs, available", "ready", in_world(BOOTING, "running", AVAILABLE)),
    row("integrating, runs, draining", "draining", in_world(BOOTING, "running", DRAINS)),
    row("integrating, runs, drained", "drained, looked at once more", in_world(BOOTING, "running", EMPTY)),
    row("integrating, booting, not in the pool", "booting", in_world(BOOTING, "pending")),
    row("integrating, booting, available", "booting", in_world(BOOTING, "pending", AVAILABLE), "ready", AD_BEATS_LIST),
    row("integrating, booting, draining", "booting", in_world(BOOTING, "pending", DRAINS), "draining", AD_BEATS_LIST),
    row("integrating, booting, drained", "booting", in_world(BOOTING, "pending", EMPTY),
        "drained, looked at once more", AD_BEATS_LIST),
    row("integrating, deleted", OVER, in_world(BOOTING, "terminated")),
    row("integrating, stopped", "ending", in_world(BOOTING, "stopped"), OVER, STOPPED),
    # --- available
    row("available, runs, available", "ready", in_world(READY, "running", AVAILABLE)),
    row("available, runs, not in the pool", "booting", in_world(READY, "running"), "ready", NOT_EVIDENCE),
    row("available, runs, draining", "draining", in_world(READY, "running", DRAINS)),
    row("available, runs, drained", "drained, looked at once more", in_world(READY, "running", EMPTY)),
    row("available, booting", "booting", in_world(READY, "pending"), "ready", NO_WAY_BACK),
    row("available, deleted", OVER, in_world(READY, "terminated")),
    row("available, stopped", "ending", in_world(READY, "stopped"), OVER, STOPPED),
    row("available, no demand", "draining, asked", not_wanted(READY)),
    row("available, older than its life time", "draining, asked", in_world(READY, "running", AVAILABLE), "ready",
        "a VM has no end of life of its own here: it goes when it is not wanted"),
    # --- draining
    row("drain is asked for", "draining, asked", lambda: outcome(drain(READY, NOW, POLICY, "not wanted"))),
    row("draining, runs, draining", "draining", in_world(DRAINING, "running", DRAINS)),
    row("draining, runs, available", "draining, asked", in_world(DRAINING, "running", AVAILABLE)),
    row("draining, runs, drained", "drained, looked at once more", in_world(DRAINING, "running", EMPTY)),
    row("draining, runs, not in the pool", "ending", in_world(DRAINING, "running"), "draining", NOT_EVIDENCE),
    row("draining, booting", "ending", in_world(DRAINING, "pending"), "draining", NO_WAY_BACK),
    row("draining, deleted", OVER, in_world(DRAINING, "terminated")),
    row("draining, stopped", "ending", in_world(DRAINING, "stopped"), OVER, STOPPED),
    row("drained", "ending", in_world(DRAINED, "running", EMPTY), "drained, looked at once more", ONCE_MORE),
    # --- shutting down, cleaning up
    row("shutting down, runs", "ending", in_world(ENDING, "running")),
    row("shutting down, booting", "ending", in_world(ENDING, "pending")),
    row("shutting down, stopped", "ending", in_world(ENDING, "stopped"), OVER, STOPPED),
    row("shutting down, deleted", OVER, in_world(ENDING, "terminated")),
    row("shutting down, status call fails", "ending", seen(ENDING, world(of=ENDING))),
    row("shutting down, stop call fails", "ending, asked", seen(vm(State.ENDING, since=NOW), world())),
    row("cleaning up, runs", "draining, asked", in_world(ENDING, "running", AVAILABLE), "ending",
        "an end that the cloud accepted is not taken back: a drain before it proved that no job was there"),
    row("cleaning up, terminate call fails", "ending, asked", seen(vm(State.ENDING, since=NOW), world())),
    row("cleaning up, terminate finds nothing", OVER, seen(vm(State.ENDING, since=NOW), world(listing=listed())),
        "ending, asked", "only a complete listing begun after an accepted end buries it"),
)  # fmt: skip


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_vm_goes_where_a_drone_goes_or_there_is_a_reason(row: Row) -> None:
    check(row)
