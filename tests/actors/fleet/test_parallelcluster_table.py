"""What AWS ParallelCluster expects of a node, and what this project does with a VM in the same place.

Source: aws/aws-parallelcluster-node, tests/slurm_plugin/slurm_resources/test_slurm_resources.py at commit 0a0e8e0 and
src/slurm_plugin/clustermgtd.py at commit 00ab174; its user guide's page on protected mode (behaviour; no code).

Its words in this project's: a backing instance is one that a listing shows; a node in replacement, or powering up, is
booting; a node that is up is ready, one that is powering down is ending; unhealthy means that its instance is ended
now, so it is "ending, asked". Protected mode of a queue is an open breaker of a cloud and image.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.fleet.adoption import orphans
from actors.fleet.breaker import Breaker, BreakerRules, admits, booted, position, refused, reset, sample
from actors.fleet.drain_and_hold import POLICY
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Instance, Machine
from actors.fleet.reconcile import advance
from actors.fleet.vm import State, Vm
from tests.actors.fleet.made import NOW, drained_slot, instance, listed, machine, slot, vm, world
from tests.actors.fleet.outside import OVER, Row, cases, check, outcome, seen, young

COUNTS, COUNTS_NOT, COUNTS_GOOD = "a failed boot", "says nothing", "a good boot"
ON, OFF = "VMs may be started", "nothing is started"

LAUNCHING = young(vm(State.LAUNCHING))
BOOTING = young(vm(State.BOOTING))
LATE = vm(State.BOOTING)  # launched 1,000 s ago, its boot deadline is 300 s
READY = vm()
DRAINING = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100, request_id="1")
ENDING = vm(State.ENDING, end_asked=NOW - 5)
ENDED = vm(State.ENDED)

RUNS = machine(slot("Claimed", "Busy"))
THERE, NOTHING = listed(instance()), listed()
THREE = BreakerRules(failures=3, share=0.5, pause_s=120.0, most_s=900.0)

NOT_EVIDENCE = "what one listing does not show is no evidence: new instances are listed late, and old ones run on"
NO_CHECKS = "EC2's status checks are not read: a VM that cannot boot fails its boot deadline"
TERMINATES = "its instances terminate when they stop: only what the cloud says is dead, or an accepted end, ends a row"
NO_JOB_KILLED = "its job runs: a startd that is not seen, or drains for somebody else, is no reason to end a VM"


def row(case: str, they: str, run: Callable[[], str], we: str = "", differs: str = "") -> Row:
    return Row(case=case, they=they, run=run, we=we, differs=differs)


def of_boot(was: Vm, state: str = "running", *ads: Machine, gone: bool = False) -> Callable[[], str]:
    """What the change that follows for the VM says of its image. `gone`: no listing shows its instance."""

    def run() -> str:
        listing = NOTHING if gone else listed(instance(state))
        said = sample(was, advance(was, world(*ads, of=was, listing=listing)))
        return {True: COUNTS_GOOD, False: COUNTS, None: COUNTS_NOT}[said]

    return run


def after_boots(
    boots: str, rules: BreakerRules = THREE, later_s: float = 0.0, by_hand: bool = False
) -> Callable[[], str]:
    """Whether VMs may be started after these boots, "+" good and "-" bad, one a second; `later_s` after the last."""

    def run() -> str:
        breaker, now = Breaker(image="ami-1"), NOW
        for good in boots:
            now += 1
            breaker = booted(breaker, good == "+", now - 100, now, rules, roll=0.0)
        breaker = reset(breaker) if by_hand else breaker
        return OFF if admits(breaker, [], now + later_s) == 0 else ON

    return run


def after_refusal(later_s: float) -> Callable[[], str]:
    def run() -> str:
        breaker = refused(Breaker(image="ami-1"), "no capacity", NOW - 1, NOW, THREE, roll=0.0)
        return OFF if admits(breaker, [], NOW + later_s) == 0 else ON

    return run


def orphan(one: Instance, *ads: Machine) -> Callable[[], str]:
    """What becomes of an instance with our tags that no row knows: it is adopted, then seen as any other."""

    def run() -> str:
        made = orphans([], listed(one), "private", 0.0)
        return seen(made[0], world(*ads, of=made[0], listing=listed(one)))() if made else "no row"

    return run


def in_world(was: Vm, *ads: Machine, listing: object = THERE) -> Callable[[], str]:
    return seen(was, world(*ads, of=was, listing=listing))  # type: ignore[arg-type]


ROWS = (
    # --- is_bootstrap_failure
    row("static, self terminated", COUNTS, of_boot(BOOTING, "terminated")),
    row("static, time-out", COUNTS, of_boot(LATE)),
    row("dynamic, no backing instance while it powers up", COUNTS, of_boot(BOOTING, gone=True), COUNTS_NOT,
        NOT_EVIDENCE),
    row("dynamic, time-out", COUNTS, of_boot(LATE)),
    row("dynamic, no instance was started yet", COUNTS_NOT, of_boot(LAUNCHING, gone=True)),
    row("static, it had joined", COUNTS_NOT, of_boot(READY, "terminated")),
    row("dynamic, it had joined and was drained", COUNTS_NOT, of_boot(DRAINING, "terminated")),
    row("normal down, it was ending", COUNTS_NOT, of_boot(ENDING, "terminated")),
    row("fails the health check while it boots", COUNTS, of_boot(BOOTING), COUNTS_NOT, NO_CHECKS),
    row("the fleet is stopped by hand while it boots", COUNTS_NOT,
        lambda: {None: COUNTS_NOT, False: COUNTS, True: COUNTS_GOOD}[
            sample(BOOTING, move(BOOTING, Event.KILLED, NOW, "kill by ada", killed="wish-1"))]),
    row("it joined in time", COUNTS_GOOD, of_boot(BOOTING, "running", RUNS)),
    # --- protected mode
    row("failures under the threshold", ON, after_boots("--")),
    row("failures at the threshold", OFF, after_boots("---")),
    row("protected mode is off: threshold 0", ON, after_boots("-" * 20, BreakerRules(failures=0))),
    row("a good launch sets the count back", ON, after_boots("--++++--")),
    row("good launches between as many failures", ON, after_boots("-+-+-"), OFF,
        "a share of the last boots counts, not a row of them: an image that fails every second time costs as much"),
    row("protected, half an hour later", OFF, after_boots("---", later_s=1_800), ON,
        "after a pause one VM may try, and has to join: nobody has to be called at night for a passing fault"),
    row("protected, and the fleet is started again by hand", ON, after_boots("---", by_hand=True)),
    row("protected, a node that runs", "ready", in_world(READY, RUNS)),
    row("failures at the threshold while jobs run on other nodes", ON, after_boots("---"), OFF,
        "what runs is not touched by an open breaker; buying more of what never joins helps no job"),
    # --- insufficient capacity
    row("no capacity", OFF, after_refusal(0)),
    row("no capacity, within its time-out", OFF, after_refusal(100)),
    row("no capacity, its time-out is over", ON, after_refusal(601)),
    # --- is_healthy, is_backing_instance_valid
    row("up, with its instance", "ready", in_world(READY, RUNS)),
    row("up, its instance is missing", "ending, asked", in_world(READY, RUNS, listing=NOTHING), "ready", NOT_EVIDENCE),
    row("up, its instance was terminated", OVER, in_world(READY, RUNS, listing=listed(instance("terminated")))),
    row("up, its instance is stopped", "ending, asked", in_world(READY, listing=listed(instance("stopped"))), OVER,
        TERMINATES),
    row("down, with its instance", "ending, asked", in_world(READY), "ready", NO_JOB_KILLED),
    row("down, and down nodes are not to be ended", "ready", in_world(READY)),
    row("down while it is being replaced", "booting", in_world(BOOTING)),
    row("drained by an administrator", "ending, asked",
        in_world(READY, machine(slot("Drained", "Idle", drain_reason="kernel update", draining=True))), "ready",
        NO_JOB_KILLED),
    row("drained by an administrator while it is being replaced", "ready",
        in_world(BOOTING, machine(slot("Drained", "Idle", drain_reason="kernel update", draining=True)))),
    row("drained by us", "ending, asked", in_world(DRAINING, machine(drained_slot("x-0.1"))),
        "drained, looked at once more", "the startd itself is asked once more right before the end"),
    row("powering down, with its instance", "ending", in_world(ENDING)),
    row("powering down, without an instance", OVER, in_world(ENDING, listing=NOTHING)),
    row("powered down, without an instance", OVER, in_world(ENDED, listing=NOTHING)),
    # --- orphans
    row("orphan, older than its time-out", "ending, asked", orphan(instance())),
    row("orphan, younger than its time-out", "booting", orphan(instance(launched_at=NOW - 60))),
    row("orphan, older, and a job runs there", "ending, asked", orphan(instance(), RUNS), "ready",
        "it is adopted: what joined the pool works for it, whoever forgot its row"),
    row("orphan, already ended", "no row", orphan(instance("terminated"))),
)  # fmt: skip


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_vm_goes_where_a_node_goes_or_there_is_a_reason(row: Row) -> None:
    check(row)


def test_the_words_for_a_breaker_are_those_of_its_position() -> None:
    """`admits` says none while it is open, and one while it is half-open: "may be started" in the table."""
    opened = refused(Breaker(image="ami-1"), "no capacity", NOW - 1, NOW, THREE, roll=0.0)
    assert [position(opened, NOW + later) for later in (0, 119, 121)] == ["open", "open", "half-open"]
    assert outcome(READY) == "ready"
