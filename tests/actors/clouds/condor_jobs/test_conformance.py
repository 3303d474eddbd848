"""Pilots in a real schedd do what every cloud must do."""

from __future__ import annotations

import pytest

from actors.clouds.condor_jobs.cloud import CondorJobs
from actors.clouds.port import Cloud
from deploy.lab.pool.pool import LabPool
from tests.actors.clouds.condor_jobs.conftest import MakePilots
from tests.actors.clouds.conformance import CloudConformance, PowerOff


class TestCondorJobs(CloudConformance):
    @pytest.fixture
    def cloud(self, make_pilots: MakePilots, lab_pool: LabPool) -> CondorJobs:
        return make_pilots(lab_pool)

    @pytest.fixture
    def other(self, make_pilots: MakePilots, lab_pool: LabPool) -> Cloud:
        return make_pilots(lab_pool, "others")

    @pytest.fixture
    def power_off(self, lab_pool: LabPool) -> PowerOff:
        return lambda id_: lab_pool.access_points[0].remove(f'GlobalJobId == "{id_}"')
