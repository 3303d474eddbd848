"""An EC2 API that answers 500 to what it does not know, as OpenStack's does to MetadataOptions and TagSpecification."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from actors.clouds.port import Cloud, Unknown
from deploy.lab.cloud.api import CloudApi
from deploy.lab.cloud.control import Control
from tests.actors.clouds.conformance import CloudConformance, PowerOff, order, started, states
from tests.actors.clouds.conftest import MakeEc2
from tests.actors.clouds.openstack.proxy import Answered, Asked, Fault, Proxy

SETTINGS = {"metadata_options": False, "tag_specifications": False}
ERROR = (
    b"<Response><Errors><Error><Code>UnknownError</Code><Message>An unknown error</Message></Error></Errors></Response>"
)
UNKNOWN_ERROR = Answered(status=500, body=ERROR, headers={"content-type": "text/xml"})


@pytest.fixture
def openstacks(ec2_api: CloudApi) -> Iterator[Proxy]:
    where = urlsplit(ec2_api.endpoint)

    def backend(asked: Asked, headers: Mapping[str, str]) -> Answered:
        if b"Action=RunInstances" in asked.body and (b"MetadataOptions" in asked.body or b"TagSpec" in asked.body):
            return UNKNOWN_ERROR
        if b"DryRun=true" in asked.body:
            asked = Asked(
                method=asked.method, path=asked.path, body=asked.body.replace(b"DryRun=true", b"DryRun=false")
            )
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        kept = {k: v for k, v in headers.items() if k not in ("host", "connection", "content-length")}
        try:
            connection.request(asked.method, asked.path, asked.body, kept)
            got = connection.getresponse()
            return Answered(status=got.status, body=got.read(), headers={"content-type": "text/xml"})
        finally:
            connection.close()

    with Proxy(backend) as proxy:
        yield proxy


class TestOpenStacksEc2(CloudConformance):
    @pytest.fixture
    def cloud(self, make_ec2: MakeEc2, openstacks: Proxy) -> Cloud:
        return make_ec2("private", endpoint=openstacks.url, **SETTINGS)

    @pytest.fixture
    def other(self, make_ec2: MakeEc2, openstacks: Proxy) -> Cloud:
        return make_ec2("public", endpoint=openstacks.url, **SETTINGS)

    @pytest.fixture
    def power_off(self, control: Control) -> PowerOff:
        return control.end_from_inside


def test_what_is_sent_by_default_proves_nothing_and_a_live_check_says_what_to_do(
    make_ec2: MakeEc2, openstacks: Proxy
) -> None:
    cloud = make_ec2("private", endpoint=openstacks.url)
    with pytest.raises(Unknown, match="500"):
        started(cloud, order())
    said = {one.what: one.text for one in cloud.check()}
    assert "a cloud of kind openstack does better, or set metadata_options = false" in said["launch"]
    told = {one.what: one.text for one in make_ec2("private", endpoint=openstacks.url, **SETTINGS).check()}
    assert "openstack" not in told["launch"]


def test_a_launch_whose_tags_failed_is_not_found_and_its_repeat_gives_them_to_the_same_instances(
    make_ec2: MakeEc2, openstacks: Proxy
) -> None:
    cloud = make_ec2("private", endpoint=openstacks.url, **SETTINGS)
    request = cloud.prepare(order(count=2))
    openstacks.faults.append(Fault(on=lambda asked: b"Action=CreateTags" in asked.body, passed_on=False))
    with pytest.raises(Unknown):
        cloud.launch(request)
    assert (cloud.find("intent-1", order().token), states(cloud)) == ((), {})
    again = cloud.launch(request)
    assert {(one.intent, one.queue) for one in again} == {("intent-1", "atlas")}
    assert set(states(cloud)) == {one.id for one in again}
    assert len(again) == 2
