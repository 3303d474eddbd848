"""OpenStack does what every cloud must do: Keystone's, Nova's and Neutron's own answers, over real HTTP."""

from __future__ import annotations

import pytest

from actors.clouds.port import Cloud
from tests.actors.clouds.conformance import CloudConformance
from tests.actors.clouds.openstack.conftest import MakeOpenStack


class TestOpenStack(CloudConformance):
    @pytest.fixture
    def cloud(self, make_openstack: MakeOpenStack) -> Cloud:
        return make_openstack("academic")

    @pytest.fixture
    def other(self, make_openstack: MakeOpenStack) -> Cloud:
        return make_openstack("public")
