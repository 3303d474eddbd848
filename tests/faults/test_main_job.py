"""The main job on the real thing: jobs wait, VMs start, the cheapest first, jobs run, VMs are drained and ended."""

from collections import Counter
from itertools import groupby
from typing import Any

import pytest

from tests.factory_on_lab import TYPES, Factory, MakeFactory

pytestmark = pytest.mark.lab


def test_jobs_on_two_clouds_are_all_done_cheapest_started_first_and_dearest_released_first(
    make_factory: MakeFactory,
) -> None:
    factory = make_factory()
    factory.submit(8, seconds=4)
    factory.submit(4, seconds=10)
    factory.host().start()
    factory.until_done()
    factory.judge()
    assert started_by_type(factory)[TYPES["private"]] >= 2
    assert started_by_type(factory)[TYPES["spot"]] >= 1
    decisions = list(wants_by_decision(factory))
    assert decisions[-1] == {"private": 0, "spot": 0}
    for before, after in zip([{"private": 0, "spot": 0}, *decisions], decisions, strict=False):
        if after["spot"] > before["spot"]:
            assert after["private"] == 2, f"spot was raised before private was full: {before} -> {after}"
        if after["private"] < before["private"]:
            assert after["spot"] == 0, f"private was lowered before spot: {before} -> {after}"


def started_by_type(factory: Factory) -> Counter[str]:
    runs = (one for one in factory.ledger() if one["action"] == "RunInstances")
    return Counter(one["type"] for one in runs for _ in one["ids"])


def wants_by_decision(factory: Factory) -> Any:
    """The wants of all clouds after each decision, in order."""
    wants = {"private": 0, "spot": 0}
    for _, lines in groupby(factory.host().said("want"), key=lambda line: line["decision"]):
        wants |= {line["cloud"]: line["now"] for line in lines}
        yield dict(wants)
