"""Each promise is found kept where it was, and broken where it was not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.lab.demo.promises import PROMISES, Evidence, Place, judge, most_at_once
from deploy.lab.demo.record import Life
from deploy.lab.demo.summary import summarise
from deploy.lab.pool.access_point import COMPLETED, JobRecord

PLACES = (Place(name="private", tier=0, max_vms=1), Place(name="spot", tier=1, max_vms=1, usd_per_hour=0.1))


def job(number: int, vm: str, start: int, end: int) -> JobRecord:
    return JobRecord(
        schedd="ap1",
        cluster=1,
        proc=number,
        status=COMPLETED,
        queue="atlas",
        starts=1,
        shadow_starts=1,
        vacates=0,
        submitted_at=0,
        started_at=start,
        completed_at=end,
        host=f"slot1_1@{vm}",
        instance_id=vm,
        exit_code=0,
    )


def life(name: str, cloud: str, start: float, end: float | None) -> Life:
    return Life(
        id=name,
        cloud=cloud,
        intent=f"intent-{name}",
        decision="d1",
        token=f"token-{name}",
        usd_per_hour=0.1,
        started_at=start,
        ended_at=end,
    )


GOOD = Evidence(
    submitted=3,
    jobs=(job(0, "p1", 4, 14), job(1, "s1", 5, 15), job(2, "p1", 15, 25)),
    lives=(life("p1", "private", 1.0, 30.0), life("s1", "spot", 1.1, 20.0)),
    places=PLACES,
    explained=frozenset({"d1"}),
)


def promises(evidence: Evidence) -> list[int]:
    return [broken.promise for broken in judge(evidence)]


def with_job(number: int, **changes: object) -> Evidence:
    jobs = list(GOOD.jobs)
    jobs[number] = replace(jobs[number], **changes)  # type: ignore[arg-type]
    return replace(GOOD, jobs=tuple(jobs))


def with_life(number: int, **changes: object) -> Evidence:
    lives = list(GOOD.lives)
    lives[number] = replace(lives[number], **changes)  # type: ignore[arg-type]
    return replace(GOOD, lives=tuple(lives))


def test_a_good_run_breaks_nothing() -> None:
    assert judge(GOOD) == ()


@pytest.mark.parametrize("changes", [{"vacates": 1}, {"starts": 2}, {"shadow_starts": 2}, {"exit_code": 143}])
def test_a_job_that_was_disturbed_breaks_the_first_promise(changes: dict[str, int]) -> None:
    assert promises(with_job(1, **changes)) == [1]


def test_a_claim_that_was_lost_to_a_drain_before_its_job_began_is_counted_and_breaks_nothing() -> None:
    evidence = with_job(1, starts=1, shadow_starts=2, vacates=1)
    assert promises(evidence) == []
    assert summarise(evidence, 0.0, 100.0).claims_lost == 1
    assert summarise(evidence, 0.0, 100.0).evictions == 0
    assert promises(with_job(1, starts=2, shadow_starts=2, vacates=1)) == [1], "that one ran twice"


def test_an_instance_that_is_left_breaks_the_second_promise() -> None:
    (broken,) = judge(with_life(1, ended_at=None))
    assert broken.promise == 2
    assert "s1" in str(broken)
    assert PROMISES[2] in str(broken)


def test_an_instance_that_ended_by_itself_breaks_the_second_promise() -> None:
    assert promises(with_life(1, how="poweroff")) == [2]


def test_a_launch_that_was_sent_with_two_tokens_breaks_the_second_promise() -> None:
    evidence = replace(GOOD, lives=(GOOD.lives[0], replace(GOOD.lives[1], intent=GOOD.lives[0].intent)))
    assert promises(evidence) == [2]


def test_more_vms_than_a_cloud_allows_break_the_second_promise() -> None:
    evidence = replace(GOOD, lives=(*GOOD.lives, life("s2", "spot", 10.0, 20.0)))
    assert promises(evidence) == [2]
    assert most_at_once(evidence.lives, "spot") == 2


def test_vms_one_after_the_other_are_not_at_once() -> None:
    assert most_at_once([life("a", "spot", 0.0, 10.0), life("b", "spot", 10.0, 20.0)], "spot") == 1


def test_a_job_that_was_not_done_breaks_the_third_promise() -> None:
    assert promises(with_job(2, status=1, completed_at=None)) == [3]


def test_a_job_that_waited_long_while_a_cloud_had_room_breaks_the_third_promise() -> None:
    late = with_job(2, started_at=60, completed_at=70)
    waited = replace(late, lives=(replace(late.lives[0], ended_at=80.0), late.lives[1]))
    (broken,) = judge(waited)
    assert broken.promise == 3
    assert "spot had room" in broken.what


def test_a_job_that_waited_while_all_clouds_were_full_breaks_nothing() -> None:
    late = with_job(2, started_at=60, completed_at=70)
    full = replace(late, lives=tuple(replace(one, ended_at=80.0) for one in late.lives))
    busy = replace(
        full, jobs=(replace(full.jobs[0], completed_at=59), replace(full.jobs[1], completed_at=75), full.jobs[2])
    )
    assert judge(busy) == ()


def test_a_dear_vm_while_the_cheap_cloud_had_room_breaks_the_fourth_promise() -> None:
    assert promises(with_life(0, started_at=14.0)) == [4]


def test_a_cheap_vm_ended_while_a_dear_one_was_idle_for_long_breaks_the_fourth_promise() -> None:
    assert promises(with_life(1, ended_at=50.0)) == []
    early = replace(GOOD, lives=(replace(GOOD.lives[0], ended_at=45.0), replace(GOOD.lives[1], ended_at=50.0)))
    assert promises(early) == [4]


def test_a_busy_dear_vm_may_end_after_a_cheap_one() -> None:
    busy = with_job(1, completed_at=60)
    lives = (replace(GOOD.lives[0], ended_at=45.0), replace(GOOD.lives[1], ended_at=65.0))
    assert judge(replace(busy, lives=lives)) == ()


def test_a_vm_that_no_decision_explains_breaks_the_fifth_promise() -> None:
    assert promises(with_life(0, decision="")) == [5]
