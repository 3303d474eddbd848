"""What a real panda-server (1.0.4) answered, byte for byte: `make test-panda ARGS=--store` writes these files anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.pools.panda.answers import NotSaid, data_of, statistics
from actors.pools.panda.specs import read_specs, status_of
from actors.pools.port import PoolAway

ANSWERS = Path(__file__).parent / "answers"


def answer(name: str) -> bytes:
    return (ANSWERS / f"{name}.txt").read_bytes()


def test_its_detailed_statistics_are_read_by_site_resource_type_and_label() -> None:
    found = statistics(data_of(answer("detailed"), "it"), detailed=True)
    assert not found.damages
    ready = {(one.site, one.resource_type, one.label): one.of(("activated",)) for one in found.jobs}
    assert ready["CERN", "SCORE", "managed"] == 12
    assert ready["CERN", "MCORE", "managed"] == 4
    assert ready["", "SCORE", "managed"] == 1, "a job without a site stands under null"
    assert ready["BNL", "", ""] == 0, "one without a resource type and a label does too"


def test_its_plain_statistics_are_the_same_jobs() -> None:
    found = statistics(data_of(answer("by-site"), "it"), detailed=False)
    assert {one.site: one.of(("activated",)) for one in found.jobs} == {"CERN": 16, "": 1, "BNL": 1, "TRIUMF": 7}


def test_its_site_specs_say_cores_memory_and_status_under_the_sites_names() -> None:
    specs = read_specs(data_of(answer("specs"), "it"))
    cern = specs.of("CERN")
    assert (cern.cores, cern.memory_mib, cern.status) == (8, 16_000, "online")
    assert specs.of("BNL").status == "test", "it has no nickname, and stands under null"
    assert specs.of("TRIUMF").offline
    assert status_of(["BNL", "TRIUMF"], specs) == "test"
    assert not specs.notes


def test_an_empty_one_says_that_it_failed() -> None:
    with pytest.raises(NotSaid, match="Database failure"):
        data_of(answer("empty"), "it")


def test_without_sites_it_says_that_it_succeeded_and_that_is_not_known() -> None:
    with pytest.raises(PoolAway, match="empty"):
        read_specs(data_of(answer("no-specs"), "it"))


@pytest.mark.parametrize("name", ["forbidden", "repr"])
def test_what_is_no_json_is_no_answer(name: str) -> None:
    with pytest.raises(PoolAway, match="no JSON"):
        data_of(answer(name), "it")
