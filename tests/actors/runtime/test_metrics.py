"""Metrics: one host tells of a post, and stops when it holds it no more."""

import itertools

from actors.fleet.drain_and_hold import VmHold
from actors.fleet.fleet_view import view
from actors.fleet.observations import Failed, JobsSeen, Listed
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView, Want
from actors.runtime.metrics import Gauges


def told(gauges: Gauges) -> set[tuple[str, ...]]:
    """What is said of queues, clouds and sources: the label values."""
    samples = [one for family in gauges.registry.collect() for one in family.samples]
    return {tuple(one.labels.values()) for one in samples if {"queue", "cloud", "source"} & set(one.labels)}


def full() -> Gauges:
    gauges = Gauges()
    for name in ("a", "b"):
        gauges.reading(f"pool/{name}/jobs", JobsSeen(source=name, at=1.0, classes=(), schedds=()))
        gauges.reading(f"cloud/{name}", Listed(source=name, at=1.0, instances=(), foreign=0))
        gauges.reading(f"pool/{name}/startds", Failed(source=name, at=1.0, reason="away"))
        gauges.want(Want(queue=f"q{name}", cloud=name, n=1))
        gauges.cloud(CloudView(cloud=name, at=1.0, room=1))
        gauges.fleet(view(name, f"q{name}", [], {}, frozenset(), 1.0))
        gauges.waiting.labels(f"q{name}").set(1)
    return gauges


def test_a_lost_queue_is_not_told_of_any_more() -> None:
    gauges, before = full(), told(full())
    gauges.forget("queue/qa")
    assert before - told(gauges) == {("qa", "a"), ("qa",)}


def test_a_lost_cloud_is_not_told_of_any_more_and_its_queues_wants_are() -> None:
    gauges = full()
    gauges.forget("cloud/a")
    left = told(gauges)
    assert ("cloud/a",) not in left
    assert ("a",) not in left
    assert not any(labels[:1] == ("a",) for labels in left)
    assert {("qa", "a"), ("qa",), ("cloud/b",), ("b",)} <= left


def test_a_lost_pool_takes_its_own_readings_along_and_no_namesakes() -> None:
    gauges = full()
    gauges.reading("pool/ab/jobs", JobsSeen(source="ab", at=1.0, classes=(), schedds=()))
    before = told(gauges)
    gauges.forget("pool/a")
    assert before - told(gauges) == {("pool/a/jobs",), ("pool/a/startds",)}


def test_the_states_of_vms_sum_to_the_number_of_vms_and_busy_ones_are_counted_apart() -> None:
    vms = [
        Vm(id=f"x-{n}", cloud="a", queue="q", state=state, since=1.0, born=1.0, reason="r", **more)
        for n, (state, more) in enumerate(
            itertools.product(
                (State.LAUNCHING, State.BOOTING, State.READY, State.DRAINING, State.DRAINED, State.ENDING),
                ({}, {"unwanted": 1.0}, {"notice": "interruption"}, {"hold": VmHold(why="by me")}),
            )
        )
    ]
    gauges = Gauges()
    gauges.fleet(view("a", "q", vms, {}, frozenset(), 1.0))
    counts = [one.value for family in gauges.vms.collect() for one in family.samples]
    marks = {one.labels["mark"] for family in gauges.marked.collect() for one in family.samples}
    assert sum(counts) == len(vms)
    assert marks == {"idle", "busy", "suspect", "held"}


def test_a_host_says_which_version_it_runs() -> None:
    (family,) = (one for one in Gauges().registry.collect() if one.name == "apf_build_info")
    (sample,) = family.samples
    assert sample.labels["version"]
    assert sample.value == 1


def test_what_vms_cost_is_told_by_queue_until_they_have_ended_and_for_queues_without_vms_too() -> None:
    gauges = Gauges()
    row = {"cloud": "a", "since": 1.0, "born": 1.0, "reason": "r", "usd_per_hour": 0.25}
    vms = [
        Vm(id=f"x-{n}", queue="q", state=state, **row)
        for n, state in enumerate((State.LAUNCHING, State.READY, State.DRAINING, State.ENDING, State.ENDED))
    ]
    gauges.cost("a", ("q", "r"), vms)
    costs = {
        queue: gauges.registry.get_sample_value("apf_usd_per_hour", {"cloud": "a", "queue": queue}) for queue in "qr"
    }
    assert costs == {"q": 1.0, "r": 0.0}
    gauges.forget("cloud/a")
    assert gauges.registry.get_sample_value("apf_usd_per_hour", {"cloud": "a", "queue": "q"}) is None
