"""What a startd's slots, and a reading, prove of themselves: anything less than all proves nothing."""

from dataclasses import replace

from actors.fleet.observations import JobsSeen, ScheddSeen, drain_reason
from tests.actors.fleet.made import NOW, drained_slot, draining_slot, machine, slot

NONE = replace(machine(), slots=())


def test_a_startd_without_slots_is_neither_drained_nor_draining() -> None:
    assert not NONE.drained_for("x-0.1")
    assert not NONE.draining_for("x-0.1")
    assert NONE.nonce == ""


def test_a_startd_is_drained_when_every_slot_is_and_shows_the_whole_nonce() -> None:
    ours = drained_slot("x-0.1")
    assert machine(ours, ours).drained_for("x-0.1")
    for other in (
        slot(),
        draining_slot("x-0.1"),
        drained_slot("x-0.10"),
        replace(ours, activity="Retiring"),
        replace(ours, children=1),
    ):
        assert not machine(ours, other).drained_for("x-0.1")
        assert not machine(other, ours).drained_for("x-0.1")


def test_a_startd_drains_for_a_nonce_when_every_slot_shows_the_whole_of_it() -> None:
    ours = draining_slot("x-0.1")
    assert machine(ours, drained_slot("x-0.1")).draining_for("x-0.1")
    left_over = slot(drain_reason=drain_reason("x-0.1"))  # the reason of a drain that is over
    for other in (slot(), draining_slot("x-0.10"), left_over):
        assert not machine(ours, other).draining_for("x-0.1")


def test_a_slot_is_busy_with_a_claim_or_with_children_whatever_else_it_says() -> None:
    assert not slot().busy
    assert not drained_slot("x").busy
    assert slot("Claimed", "Idle").busy
    assert slot("Unclaimed", children=1).busy
    assert slot("Drained", children=1).busy


def test_jobs_are_read_in_full_only_where_every_schedd_answered_and_there_is_one() -> None:
    def seen(*errors: str) -> JobsSeen:
        schedds = tuple(ScheddSeen(name=f"s{n}", error=error) for n, error in enumerate(errors))
        return JobsSeen(source="pool/local", at=NOW, classes=(), schedds=schedds)

    assert seen("", "").complete
    assert not seen("", "no answer").complete
    assert not seen().complete
