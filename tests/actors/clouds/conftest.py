"""One EC2 API for the session; each test has a factory of its own, so that none sees another's instances."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from actors.clouds.ec2.cloud import Ec2, Reach
from actors.config.schema import Ec2Account, Ec2Cloud
from deploy.lab.cloud.api import IMAGE, CloudApi
from deploy.lab.cloud.control import Control
from deploy.lab.cloud.faults import Settings
from tests.actors.clouds import conformance
from tests.condor_pool import condor  # noqa: F401

MakeEc2 = Callable[..., Ec2]


@pytest.fixture(scope="session")
def ec2_api() -> Iterator[CloudApi]:
    with CloudApi() as api:
        yield api


@pytest.fixture
def control(ec2_api: CloudApi) -> Iterator[Control]:
    """The API's side door; whatever a test asks for is taken back after it."""
    yield ec2_api.control
    ec2_api.control.clear_faults()
    ec2_api.control.set(**Settings().model_dump())


@pytest.fixture(autouse=True)
def factory() -> str:
    """A factory that no other test has, and tokens that no other test has used."""
    name = f"f-{uuid.uuid4().hex[:12]}"
    conformance.TOKENS_OF[:] = [name]
    return name


def ec2_config(**changes: object) -> Ec2Cloud:
    known = {"region": "us-east-1", "image": IMAGE, "instance_type": "m5.large", "max_vms": 9, "timeout_s": 5}
    return Ec2Cloud.model_validate({**known, "shape": {"cpus": 1, "memory_mib": 1024}, **changes})


@pytest.fixture
def make_ec2(ec2_api: CloudApi, control: Control, factory: str) -> Iterator[MakeEc2]:  # noqa: ARG001
    """make_ec2(name="private", secrets={...}, **config): a cloud of this test's factory."""
    made: list[Ec2] = []

    def make(
        name: str = "private", secrets: dict[str, str] | None = None, count_foreign: bool = False, **changes: object
    ) -> Ec2:
        account = Ec2Account(kind="ec2", access_key_id="env:KEY", secret_access_key="env:SECRET")
        known = {"env:KEY": "key", "env:SECRET": "secret"} if secrets is None else secrets
        cloud = Ec2(
            factory=factory,
            name=name,
            config=ec2_config(**{"endpoint": ec2_api.endpoint, **changes}),
            account=account,
            reveal=known.__getitem__,
            reach=Reach(count_foreign=count_foreign),
        )
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        cloud.close()
