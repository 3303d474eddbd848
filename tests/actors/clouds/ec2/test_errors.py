"""EC2's error codes by remedy: the whole table, and what is sure and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.ec2.errors import plain, remedy
from actors.clouds.port import CloudError, NoCapacity, Quota, Refused, Spent, Throttled, TokenUsed, Unknown

TABLE: list[tuple[type[CloudError], int, str]] = [
    (NoCapacity, 500, "InsufficientInstanceCapacity"),
    (NoCapacity, 500, "Server.InsufficientInstanceCapacity"),
    (NoCapacity, 500, "InsufficientHostCapacity"),
    (NoCapacity, 400, "InsufficientFreeAddressesInSubnet"),
    (NoCapacity, 400, "SpotMaxPriceTooLow"),
    (Quota, 400, "InstanceLimitExceeded"),
    (Quota, 400, "VcpuLimitExceeded"),
    (Quota, 400, "VolumeLimitExceeded"),
    (Quota, 400, "MaxSpotInstanceCountExceeded"),
    (Quota, 413, "InstanceQuotaExceeded"),
    (Throttled, 503, "RequestLimitExceeded"),
    (Throttled, 400, "Client.RequestLimitExceeded"),
    (Throttled, 400, "Throttling"),
    (Throttled, 429, "429"),
    (Spent, 400, "IdempotentInstanceTerminated"),
    (TokenUsed, 400, "IdempotentParameterMismatch"),
    (Unknown, 500, "InternalError"),
    (Unknown, 400, "RequestTimeout"),
    (Unknown, 503, "Unavailable"),
    (Unknown, 502, "502"),
    (Unknown, 504, ""),
    (Unknown, 0, ""),
    (Unknown, 200, "Strange"),
    (Unknown, 408, "408"),
    (Unknown, 403, "403"),
    (Refused, 401, "AuthFailure"),
    (Refused, 403, "UnauthorizedOperation"),
    (Refused, 400, "InvalidAMIID.NotFound"),
    (Refused, 400, "InvalidParameterValue"),
    (Refused, 400, "Unsupported"),
    (Refused, 400, "OptInRequired"),
    (Refused, 400, "PendingVerification"),
    (Refused, 400, "MissingParameter"),
]


@pytest.mark.parametrize(("kind", "status", "code"), TABLE)
def test_a_code_has_one_remedy(kind: type[CloudError], status: int, code: str) -> None:
    assert type(remedy(code, status, "text")) is kind


@given(code=st.text(max_size=40), status=st.one_of(st.just(0), st.integers(500, 599)))
def test_a_5xx_or_no_answer_is_never_taken_for_a_plain_refusal(code: str, status: int) -> None:
    assert not isinstance(remedy(code, status, ""), Refused)


def test_an_error_says_what_was_answered() -> None:
    error = remedy("VcpuLimitExceeded", 400, "You have requested more vCPU capacity")
    assert "VcpuLimitExceeded" in str(error)
    assert "400" in str(error)
    assert "more vCPU" in str(error)
    assert error.code == "VcpuLimitExceeded"


def test_a_code_is_kept_without_who_said_it() -> None:
    assert plain("Client.InvalidInstanceID.NotFound") == "InvalidInstanceID.NotFound"
