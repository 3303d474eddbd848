"""EC2's answers as readings: states, and answers that are none."""

from __future__ import annotations

import pytest

from actors.clouds import ec2_seen
from actors.clouds.port import Unknown


def found(state: str, **more: object) -> dict[str, object]:
    return {"InstanceId": "i-1", "State": {"Name": state}, **more}


@pytest.mark.parametrize(
    ("word", "state", "dead"),
    [
        ("pending", "pending", False),
        ("running", "running", False),
        ("shutting-down", "ending", False),
        ("stopping", "ending", False),
        ("stopped", "stopped", True),
        ("terminated", "terminated", True),
        ("a-new-word", "running", False),
    ],
)
def test_only_stopped_and_terminated_are_dead(word: str, state: str, dead: bool) -> None:
    seen = ec2_seen.instance(found(word))
    assert (seen.state, seen.dead) == (state, dead)


def test_a_state_that_is_not_known_is_told() -> None:
    assert "a-new-word" in ec2_seen.instance(found("a-new-word")).reason


def test_tags_of_others_do_no_harm() -> None:
    seen = ec2_seen.instance(found("running", Tags=[{"Key": "apf:intent", "Value": "i"}, {"Key": "x"}, {}]))
    assert seen.intent == "i"


@pytest.mark.parametrize("answer", [{}, {"Reservations": [{}]}, {"Reservations": [{"Instances": [{}]}]}])
def test_an_answer_that_lacks_what_ec2_always_sends_is_unknown(answer: dict[str, object]) -> None:
    with pytest.raises(Unknown):
        list(ec2_seen.instances(answer))


def test_an_empty_listing_is_empty() -> None:
    assert list(ec2_seen.instances({"Reservations": []})) == []
