"""The lab's metadata service speaks IMDSv2 and nothing else."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from deploy.lab.cloud.metadata import MetadataService

LIFE = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
ANSWERS = {"meta-data/instance-id": "i-1", "meta-data/placement/region": "us-east-1", "user-data": "hello"}


@pytest.fixture
def service() -> Iterator[MetadataService]:
    with MetadataService() as service:
        yield service


def _call(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, ""


def _token(base: str) -> dict[str, str]:
    status, token = _call(f"{base}/latest/api/token", "PUT", **LIFE)
    assert status == 200
    return {"X-aws-ec2-metadata-token": token}


def test_a_question_with_a_token_is_answered(service: MetadataService) -> None:
    base = service.add("i-1", ANSWERS)
    token = _token(base)
    assert _call(f"{base}/latest/meta-data/instance-id", **token) == (200, "i-1")
    assert _call(f"{base}/latest/user-data", **token) == (200, "hello")
    assert _call(f"{base}/latest/meta-data/placement/", **token) == (200, "region")
    assert _call(f"{base}/2021-03-23/meta-data/", **token) == (200, "instance-id\nplacement/")


def test_who_asks_without_an_id_is_the_last_instance_that_was_added(service: MetadataService) -> None:
    service.add("i-2", {"user-data": "bye"})
    base = service.add("i-1", ANSWERS).removesuffix("/i-1")
    assert _call(f"{base}/latest/user-data", **_token(base)) == (200, "hello")


def test_a_question_without_a_token_is_refused(service: MetadataService) -> None:
    base = service.add("i-1", ANSWERS)
    assert _call(f"{base}/latest/meta-data/instance-id")[0] == 401


def test_another_instances_token_is_refused(service: MetadataService) -> None:
    one, other = service.add("i-1", ANSWERS), service.add("i-2", ANSWERS)
    assert _call(f"{one}/latest/meta-data/instance-id", **_token(other))[0] == 401


def test_a_token_without_a_life_time_is_refused(service: MetadataService) -> None:
    base = service.add("i-1", ANSWERS)
    assert _call(f"{base}/latest/api/token", "PUT")[0] == 400


def test_what_is_not_there_is_not_found(service: MetadataService) -> None:
    base = service.add("i-1", ANSWERS)
    assert _call(f"{base}/latest/meta-data/spot/instance-action", **_token(base))[0] == 404
    service.remove("i-1")
    assert _call(f"{base}/latest/api/token", "PUT", **LIFE)[0] == 404
