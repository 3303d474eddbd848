"""OpenStack's refusals by remedy: bodies as its services write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.openstack import answers, errors
from actors.clouds.openstack.request import ServerMarks
from actors.clouds.port import CloudError, NoCapacity, Quota, Refused, Throttled, Unknown

MARKS = ServerMarks(factory="prod", cloud="academic")


def body(kind: str, message: str, code: int) -> bytes:
    return json.dumps({kind: {"code": code, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (403, body("forbidden", "Quota exceeded for instances: Requested 1, but already used 2 of 2", 403), Quota),
        (403, body("forbidden", "Policy doesn't allow os_compute_api:servers:create to be performed.", 403), Refused),
        (413, body("overLimit", "This request was rate-limited.", 413), Throttled),
        (413, body("overLimit", "Quota exceeded for cores", 413), Quota),
        (429, body("overLimit", "This request was rate-limited.", 429), Throttled),
        (429, b"<html>slow down</html>", Throttled),
        (400, body("badRequest", "Can not find requested image", 400), Refused),
        (400, body("badRequest", "No more IP addresses available on network x.", 400), NoCapacity),
        (401, body("error", "The request you have made requires authentication.", 401), Refused),
        (406, body("computeFault", "Version 2.999 is not supported by the API.", 406), Refused),
        (409, body("conflictingRequest", "Multiple possible networks found, use a Network ID", 409), Refused),
        (500, body("computeFault", "Unexpected API Error.", 500), Unknown),
        (503, b"", Unknown),
        (403, b"<html><body>proxy</body></html>", Unknown),
        (404, b"not found", Unknown),
    ],
)
def test_an_answer_says_its_remedy(status: int, answer: bytes, kind: type[CloudError]) -> None:
    assert type(errors.remedy(status, answer)) is kind


@given(st.integers(300, 599), st.binary(max_size=60))
def test_whatever_is_no_answer_of_openstacks_proves_nothing(status: int, answer: bytes) -> None:
    assert isinstance(errors.remedy(status, answer), (Unknown, Throttled))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"code": 500, "message": "No valid host was found. "}, NoCapacity),
        ({"code": 413, "message": "Quota exceeded for instances: Requested 1"}, Quota),
        ({"code": 500, "message": "Build of instance 1 aborted: Volume did not finish being created"}, Refused),
        (None, NoCapacity),
    ],
)
def test_a_server_in_error_says_its_remedy(fault: dict[str, object] | None, kind: type[CloudError]) -> None:
    assert type(errors.fault({"fault": fault} if fault else {})) is kind


@pytest.mark.parametrize(
    ("server", "state"),
    [
        ({"status": "ACTIVE"}, "running"),
        ({"status": "BUILD"}, "pending"),
        ({"status": "SHUTOFF"}, "defunct"),
        ({"status": "DELETED"}, "terminated"),
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "deleting"}, "ending"),
        ({"status": "RESCUE"}, "running"),
        ({"status": "VERIFY_RESIZE"}, "running"),
        ({"status": "ERROR"}, "defunct"),
        ({"status": "ERROR", "OS-SRV-USG:launched_at": "2026-01-01T00:00:00", "OS-EXT-STS:power_state": 1}, "running"),
        ({"status": "ERROR", "OS-SRV-USG:launched_at": "2026-01-01T00:00:00", "OS-EXT-STS:power_state": 4}, "defunct"),
    ],
)
def test_what_may_still_run_a_job_is_no_dead_server(server: dict[str, object], state: str) -> None:
    assert answers.instance({"id": "1", **server}, MARKS).state == state


def test_a_deleted_servers_name_says_what_it_was() -> None:
    server = {"id": "1", "status": "DELETED", "name": "apf-prod-academic-a1b2-7-0f0f", "metadata": {}}
    found = answers.instance(server, MARKS)
    assert (found.intent, found.index, found.token) == ("a1b2", 7, "0f0f")


KEYS = ("id", "status", "name", "metadata", "created", "addresses", "fault", "flavor")
VALUES = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_a_damaged_server_is_a_reading_or_unknown(server: dict[str, object]) -> None:
    try:
        answers.instance(server, MARKS)
    except CloudError as error:
        assert isinstance(error, Unknown)  # noqa: PT017
