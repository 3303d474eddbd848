"""EC2 does what every cloud must do: over real HTTP, against the lab's EC2 API."""

from __future__ import annotations

import pytest

from actors.clouds.port import Cloud
from deploy.lab.cloud.control import Control
from tests.actors.clouds.conformance import CloudConformance, PowerOff
from tests.actors.clouds.conftest import MakeEc2


class TestEc2OnDemand(CloudConformance):
    @pytest.fixture
    def cloud(self, make_ec2: MakeEc2) -> Cloud:
        return make_ec2("private")

    @pytest.fixture
    def other(self, make_ec2: MakeEc2) -> Cloud:
        return make_ec2("public")

    @pytest.fixture
    def power_off(self, control: Control) -> PowerOff:
        return control.end_from_inside


class TestEc2Spot(TestEc2OnDemand):
    @pytest.fixture
    def cloud(self, make_ec2: MakeEc2) -> Cloud:
        return make_ec2("spot", market="spot", max_usd_per_hour=0.05)
