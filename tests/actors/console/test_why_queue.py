"""`apf why`: a queue's wants and a VM's life, in the words that stand in the rows."""

from __future__ import annotations

import json
import re

from actors.fleet.drain_and_hold import POLICY, VmHold
from actors.fleet.history import Because
from actors.fleet.lifecycle import Event, move
from actors.fleet.vm import Intent, Launch, State, Vm
from actors.fleet.want import Want
from actors.store.history import Chronicle
from actors.store.readings import DemandHead
from actors.store.wants import QueueStanding
from broker.rows.table import Delete
from tests.actors.console.factory_file import FactoryFile, said
from tests.actors.console.factory_rows import Rows


def wants(rows: Rows, cloud: str, n: int, **more: object) -> None:
    want = Want(queue="atlas", cloud=cloud, n=n, at=rows.now(), changed=rows.now() - 90, **more)  # type: ignore[arg-type]
    rows.write("want", "queue/atlas", cloud, want)


def test_a_queue_tells_its_jobs_its_wants_since_when_and_why(file: FactoryFile, rows: Rows) -> None:
    rows.write("demand", "pool/local", "@", DemandHead(at=rows.now() - 4))
    standing = QueueStanding(
        known=True, idle=7, young=2, running=1, held=3, why=("7 waiting jobs", "9 wait for 2 gpus"),
        unmet=("9 wait for 2 gpus",),
    )  # fmt: skip
    rows.write("standing", "queue/atlas", "@", standing)
    wants(rows, "spot", 1, reasons=("spot: 1 new",), decision="d-2", surplus=((rows.now() - 10, 1),))
    wants(rows, "private", 2, reasons=("private: [2] busy",), decision="d-1")
    result = file.apf("why", "atlas")
    assert result.exit_code == 0, result.output
    text = said(result)
    assert re.search(r"7 idle, 2 too young to count, 1 running, 3 held; read \d+ s ago", text)
    assert text.index("wants 2 of private") < text.index("private: [2] busy") < text.index("wants 1 of spot")
    assert re.search(r"\d+ s ago, by decision d-1", text)
    assert re.search(r"1 of them not needed for \d+ s", text)
    assert text.count("9 wait for 2 gpus") == 1


def test_a_queue_without_a_decision_and_one_that_is_not_there_are_told(file: FactoryFile) -> None:
    assert "nothing was decided yet" in said(file.apf("why", "atlas"))
    result = file.apf("why", "atlsa")
    assert result.exit_code == 1
    assert "did you mean 'atlas'?" in said(result)


def test_a_vm_tells_its_life_in_order_and_what_it_was_started_for(file: FactoryFile, rows: Rows) -> None:
    now = rows.now()
    intent = Intent(
        id="x", cloud="private", queue="atlas", count=1, token="t", request="", written=now - 600, state=Launch.DONE,
        unknown="timed out", tried=now - 590, tries=2, decision="d-1",
    )  # fmt: skip
    rows.write("intent", "cloud/private", "x", intent)
    wants(rows, "private", 1, reasons=("private: 1 new",), decision="d-1")
    vm = rows.vm(
        "private", State.DRAINING, intent="x", born=now - 600, joined=now - 500, machine="node-1", refused_at=now - 400,
        drain_refused="it would evict", drain_asked=now - 60, drains=2, drain_for=POLICY, request_id="7",
        reason="atlas wants fewer VMs of private", since=now - 61, hold=VmHold(why="hold by me: look"),
    )  # fmt: skip
    for name in (vm.id, vm.instance_id, "node-1"):
        result = file.apf("why", "--vm", name)
        assert result.exit_code == 0, result.output
    text = said(result)
    order = (
        "launch x written down, by decision d-1",
        "atlas wants 1 of private, because",
        "private: 1 new",
        "was not known: timed out; tried 2 times",
        "its startd joined as node-1",
        "refused to drain: it would evict",
        "took drain 2, for policy, as request 7",
        "draining: atlas wants fewer VMs of private",
    )
    places = [text.index(line) for line in order]
    assert places == sorted(places)
    assert "held: hold by me: look" in text


def test_an_adopted_vm_and_one_whose_decision_is_past_say_so(file: FactoryFile, rows: Rows) -> None:
    rows.vm("spot", State.READY, id="adopted-i-9", instance_id="i-9")
    assert "it was adopted" in said(file.apf("why", "--vm", "i-9"))
    intent = Intent(
        id="y", cloud="spot", queue="atlas", count=1, token="t", request="", written=rows.now(), decision="d-old"
    )
    rows.write("intent", "cloud/spot", "y", intent)
    rows.vm("spot", State.BOOTING, id="y-0", intent="y")
    assert "decision d-old was followed by others" in said(file.apf("why", "--vm", "y-0"))


def test_a_vm_that_is_not_there_is_told_with_a_hint(file: FactoryFile, rows: Rows) -> None:
    rows.vm("spot", State.READY, id="abcdef-0")
    result = file.apf("why", "--vm", "abcdef-1")
    assert result.exit_code == 1
    assert "did you mean 'abcdef-0'?" in said(result)
    assert "apf status --vms" in said(file.apf("why", "--vm", "zzz"))


def test_a_queue_or_a_vm_must_be_said_and_not_both(file: FactoryFile) -> None:
    assert file.apf("why").exit_code == 2
    assert file.apf("why", "atlas", "--vm", "x").exit_code == 2


def tell(rows: Rows, was: Vm | None, vm: Vm, at: float, *evidence: str, decision: str = "") -> Vm:
    """A change of a row with its history, as the cloud's holder writes it."""
    chronicle, term = Chronicle(lambda: at), rows.term(f"cloud/{vm.cloud}")
    because = {vm.id: Because(evidence=evidence, decision=decision)}
    rows.write("vm", f"cloud/{vm.cloud}", vm.id, vm)
    rows.table.write(term, chronicle.lines(chronicle.moments(term, [(was, vm)], because)))
    return vm


BUSY, LISTED = "its startd node-7 showed slot1 Claimed/Busy", "the cloud was listed 2 s before: i-7 terminated"


def a_life(rows: Rows) -> Vm:
    """Bought, joined, drained and ended an hour later, at $0.40 an hour."""
    began = rows.now() - 4_000
    first = Vm(
        id="x-0", cloud="spot", queue="atlas", state=State.LAUNCHING, since=began, born=began, usd_per_hour=0.4,
        reason="atlas wants 1",
    )  # fmt: skip
    vm = tell(rows, None, first, began, "7 waiting jobs", "spot: 1 new", decision="d-1")
    steps = (
        (10.0, Event.STARTED, "instance i-7 started", {"instance_id": "i-7"}, (), ""),
        (110.0, Event.JOINED, "startd node-7 joined", {"machine": "node-7"}, (), ""),
        (3_000.0, Event.DRAIN, "atlas wants fewer VMs of spot", {}, (BUSY,), "d-9"),
        (3_580.0, Event.EMPTIED, "every slot is Drained and Idle with our nonce", {}, (), ""),
        (3_590.0, Event.VERIFIED, "its startd says Drained and Idle on every slot", {}, (), ""),
        (3_610.0, Event.GONE, "the cloud says terminated", {}, (LISTED,), ""),
    )  # fmt: skip
    for after_s, event, why, changes, evidence, decision in steps:
        moved = move(vm, event, began + after_s, why, **changes)  # type: ignore[arg-type]
        vm = tell(rows, vm, moved, began + after_s, *evidence, decision=decision)
    return vm


def test_the_history_of_a_vm_is_told_as_a_story(file: FactoryFile, rows: Rows) -> None:
    vm = a_life(rows)
    result = file.apf("why", vm.id)
    assert result.exit_code == 0, result.output
    text = said(result)
    order = (
        "by decision d-1: atlas wants 1.",
        "The reason then: 7 waiting jobs; spot: 1 new.",
        "It booted for 100 s.",
        "It served for 48 min; its startd node-7 showed slot1 Claimed/Busy.",
        "It was drained because atlas wants fewer VMs of spot (decision d-9).",
        "It might be ended because its startd says Drained and Idle on every slot.",
        "Its end: the cloud says terminated. It drained for 10 min.",
        "It cost about $0.40: 60 min at $0.40 an hour.",
        "launching: atlas wants 1 [d-1]",
        "ready: startd node-7 joined",
        "draining: atlas wants fewer VMs of spot [d-9]",
        "ended: the cloud says terminated",
        "the cloud was listed 2 s before: i-7 terminated",
    )
    places = [text.index(line) for line in order]
    assert places == sorted(places)


def test_an_ended_vm_is_told_as_long_as_its_history_is_kept_though_its_row_is_gone(
    file: FactoryFile, rows: Rows
) -> None:
    vm = a_life(rows)
    rows.table.write(rows.term("cloud/spot"), [Delete(kind="vm", key=vm.id, expected_version=None)])
    for name in (vm.id, "i-7", "node-7"):
        assert "Its end: the cloud says terminated" in said(file.apf("why", name))


def test_the_story_is_there_for_programs_too(file: FactoryFile, rows: Rows) -> None:
    vm = a_life(rows)
    result = file.apf("why", vm.id, "--json")
    assert result.exit_code == 0, result.output
    story = json.loads(result.output)
    assert (story["vm"], story["state"], story["whole"]) == ("x-0", "ended", True)
    assert story["seconds"] == {
        "launching": 10,
        "booting": 100,
        "ready": 2_890,
        "draining": 580,
        "drained": 10,
        "ending": 20,
    }
    assert (story["billed_s"], round(story["usd"], 2)) == (3_600, 0.4)
    assert [one["now"] for one in story["moments"]][-1] == "ended"
    assert story["moments"][3]["decision"] == "d-9"
    assert file.apf("why", "atlas", "--json").exit_code == 2


def test_a_vm_of_a_cloud_that_the_file_does_not_name_any_more_is_told(file: FactoryFile, rows: Rows) -> None:
    vm = a_life(rows)
    file.write(("private",))
    assert "Its end: the cloud says terminated" in said(file.apf("why", vm.id))
