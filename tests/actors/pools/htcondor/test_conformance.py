"""The real thing keeps what every pool promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.pool.pool import LabPool
from tests.actors.pools.conformance import *  # noqa: F403
from tests.actors.pools.htcondor.condor_site import CondorSite
from tests.condor_pool import NodeMaker, condor, lab_pool, plain_node  # noqa: F401

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab_pool: LabPool, plain_node: NodeMaker, tmp_path: Path) -> Iterator[CondorSite]:  # noqa: F811
    made = CondorSite(lab_pool, tmp_path / "tokens", plain_node)
    yield made
    made.close()
