"""`apf why`: a queue's wants and a VM's life, in the words that stand in the rows."""

from __future__ import annotations

import re

from actors.fleet.vm import Intent, Launch, State
from actors.fleet.want import Want
from actors.readings import DemandHead
from actors.wants import Standing
from tests.console.factory_file import FactoryFile, said
from tests.console.factory_rows import Rows


def wants(rows: Rows, cloud: str, n: int, **more: object) -> None:
    want = Want(queue="atlas", cloud=cloud, n=n, at=rows.now(), changed=rows.now() - 90, **more)  # type: ignore[arg-type]
    rows.write("want", "queue/atlas", cloud, want)


def test_a_queue_tells_its_jobs_its_wants_since_when_and_why(file: FactoryFile, rows: Rows) -> None:
    rows.write("demand", "pool/local", "@", DemandHead(at=rows.now() - 4))
    standing = Standing(
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
        drain_refused="it would evict", drain_asked=now - 60, drains=2, drain_for="policy", request_id="7",
        reason="atlas wants fewer VMs of private", since=now - 61, held="hold by me: look",
    )  # fmt: skip
    for name in (vm.id, vm.instance_id, "node-1"):
        result = file.apf("why", "--vm", name)
        assert result.exit_code == 0, result.output
    text = said(result)
    order = (
        "launch x written down, by decision d-1",
        "was not known: timed out; tried 2 times",
        "its startd joined as node-1",
        "refused to drain: it would evict",
        "took drain 2, for policy, as request 7",
        "draining: atlas wants fewer VMs of private",
        "atlas wants 1 of private, because",
        "private: 1 new",
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
