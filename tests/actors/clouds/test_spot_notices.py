"""What in a queue is a notice, and what is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.spot_notices import NotANotice, notice_of
from actors.fleet.spot_notice import Kind

# As Amazon's user guide shows them.
INTERRUPTION = {
    "version": "0",
    "id": "12345678-1234-1234-1234-123456789012",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2026-03-02T10:00:00Z",
    "region": "us-east-2",
    "resources": ["arn:aws:ec2:us-east-2a:instance/i-1234567890abcdef0"],
    "detail": {"instance-id": "i-1234567890abcdef0", "instance-action": "terminate"},
}
REBALANCE = {
    **INTERRUPTION,
    "detail-type": "EC2 Instance Rebalance Recommendation",
    "detail": {"instance-id": "i-1234567890abcdef0"},
}


def test_the_two_events_are_read() -> None:
    found = notice_of(json.dumps(INTERRUPTION), 5.0)
    assert (found.instance_id, found.kind, found.at) == ("i-1234567890abcdef0", Kind.INTERRUPTION, 5.0)
    assert found.told == "the cloud will terminate it"
    assert notice_of(json.dumps(REBALANCE), 5.0).kind is Kind.REBALANCE


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "not JSON"),
        ("[1]", "not an event"),
        ("null", "not an event"),
        ("{}", "another kind: None, None"),
        (json.dumps({**INTERRUPTION, "source": "my.app"}), "another kind: my.app"),
        (json.dumps({**INTERRUPTION, "detail-type": "EC2 Instance State-change Notification"}), "State-change"),
        (json.dumps({**INTERRUPTION, "detail": {}}), "without an instance id"),
        (json.dumps({**INTERRUPTION, "detail": "i-1"}), "without an instance id"),
        (json.dumps({**INTERRUPTION, "detail": {"instance-id": 7}}), "without an instance id"),
        (json.dumps({**INTERRUPTION, "detail": {"instance-id": "i" * 101}}), "without an instance id"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_anything_else_is_none_and_says_what_it_is(body: str, told: str) -> None:
    with pytest.raises(NotANotice, match=told):
        notice_of(body, 1.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*INTERRUPTION, "x"]), inner, max_size=4)
    ),
    max_leaves=9,
)


@given(
    st.text(max_size=50)
    | JSON.map(json.dumps)
    | st.fixed_dictionaries({**dict.fromkeys(INTERRUPTION, JSON)}).map(json.dumps)
)
def test_whatever_stands_there_is_a_notice_or_not_and_nothing_breaks(body: str) -> None:
    try:
        found = notice_of(body, 1.0)
    except NotANotice as none:
        found = none
    assert found
