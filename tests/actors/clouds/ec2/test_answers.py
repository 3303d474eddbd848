"""EC2's answers as readings: states, and answers that are none."""

from __future__ import annotations

import pytest

from actors.clouds.ec2 import answers
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
    seen = answers.instance(found(word))
    assert (seen.state, seen.dead) == (state, dead)


def test_a_state_that_is_not_known_is_told() -> None:
    assert "a-new-word" in answers.instance(found("a-new-word")).reason


def test_tags_of_others_do_no_harm() -> None:
    seen = answers.instance(found("running", Tags=[{"Key": "apf:intent", "Value": "i"}, {"Key": "x"}, {}]))
    assert seen.intent == "i"


@pytest.mark.parametrize("answer", [{}, {"Reservations": [{}]}, {"Reservations": [{"Instances": [{}]}]}])
def test_an_answer_that_lacks_what_ec2_always_sends_is_unknown(answer: dict[str, object]) -> None:
    with pytest.raises(Unknown):
        list(answers.instances(answer))


def test_an_empty_listing_is_empty() -> None:
    assert list(answers.instances({"Reservations": []})) == []


def tagged(
    number: int, factory: str = "", cloud: str = "", state: str = "running", **more: object
) -> dict[str, object]:
    tags = [{"Key": "apf:factory", "Value": factory}, {"Key": "apf:cloud", "Value": cloud}]
    return {**found(state, Tags=tags, **more), "InstanceId": f"i-{number}"}


def test_foreign_is_what_lives_and_is_not_of_this_factory_on_these_clouds() -> None:
    ours = [tagged(1, "lab", "private"), tagged(2, "lab", "spot")]
    others = [tagged(3, "lab", "elsewhere"), tagged(4, "another", "private"), found("pending") | {"InstanceId": "i-5"}]
    dead = [tagged(6, "another", "private", state="terminated")]
    page = {"Reservations": [{"Instances": ours}, {"Instances": others + dead}]}
    seen = dict(answers.foreign(page, "lab", frozenset({"private", "spot"}), {}))
    assert set(seen) == {"i-3", "i-4", "i-5"}


def test_cores_of_a_foreign_vm_are_as_told_or_as_known_by_type_or_one() -> None:
    cpu = {"CoreCount": 4, "ThreadsPerCore": 2}
    page = {
        "Reservations": [
            {"Instances": [tagged(1, CpuOptions=cpu), tagged(2, InstanceType="c4.large"), tagged(3, InstanceType="x")]}
        ]
    }
    assert dict(answers.foreign(page, "lab", frozenset(), {"c4.large": 2})) == {"i-1": 8, "i-2": 2, "i-3": 1}


def test_texts_and_numbers_of_an_instance_are_bounded() -> None:
    tags = [{"Key": "apf:intent", "Value": "x" * 10**6}, {"Key": "apf:queue", "Value": 7}, {"Key": None}]
    one = answers.instance(found("running", Tags=tags * 1_000, AmiLaunchIndex=10**30, ClientToken=["no text"]))
    assert (len(one.intent), one.queue, one.index, one.token) == (answers.MOST_TEXT, "", -1, "")
