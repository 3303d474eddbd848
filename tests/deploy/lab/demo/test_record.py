"""The lives of instances are what the cloud's ledger says."""

from __future__ import annotations

from typing import Any

from deploy.lab.demo.record import lives

TAGS = {"apf:cloud": "spot", "apf:intent": "abc", "apf:decision": "d1"}


def run(at: float, *ids: str, **more: Any) -> dict[str, Any]:
    return {
        "at": at,
        "action": "RunInstances",
        "ids": list(ids),
        "token": "t",
        "usd_per_hour": 0.36,
        "tags": TAGS,
        **more,
    }


def test_an_instance_lives_from_its_start_to_its_end_and_costs_what_it_lived() -> None:
    ledger = [run(100.0, "i-1"), {"at": 200.0, "action": "TerminateInstances", "ids": ["i-1"]}]
    (life,) = lives(ledger)
    assert (life.cloud, life.intent, life.decision) == ("spot", "abc", "d1")
    assert life.seconds(now=999.0) == 100.0
    assert abs(life.cost_usd(now=999.0) - 0.01) < 1e-9


def test_a_repeat_of_a_launch_starts_no_second_life() -> None:
    assert len(lives([run(100.0, "i-1", "i-2"), run(101.0, "i-1", "i-2", repeat=True)])) == 2


def test_an_instance_that_nobody_ended_has_no_end() -> None:
    (life,) = lives([run(100.0, "i-1")])
    assert life.ended_at is None
    assert life.seconds(now=150.0) == 50.0


def test_an_end_that_nobody_asked_for_says_how() -> None:
    (life,) = lives([run(100.0, "i-1"), {"at": 120.0, "action": "Ended", "ids": ["i-1"], "how": "spot"}])
    assert (life.ended_at, life.how) == (120.0, "spot")


def test_the_first_end_counts() -> None:
    ends = [{"at": at, "action": "TerminateInstances", "ids": ["i-1"]} for at in (120.0, 180.0)]
    (life,) = lives([run(100.0, "i-1"), *ends])
    assert life.ended_at == 120.0
