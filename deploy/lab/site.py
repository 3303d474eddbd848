"""A whole site on one machine: an HTCondor pool, an EC2 API, and a hypervisor that makes workers of its instances.

    with Site() as site:
        site.pool.submit([LabJob(seconds=10, queue="atlas")])
        boto3.client("ec2", endpoint_url=site.cloud.endpoint, ...).run_instances(UserData=...)

The rule it keeps: it judges by records that the factory cannot touch: the pool's history and the cloud's ledger.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from deploy.lab.cloud.api import CloudApi
from deploy.lab.cloud.hypervisor import Hypervisor, MachineType
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import lab_directory


class Site:
    """Pool, cloud and hypervisor; ready for jobs and instances once entered. Raises CannotHave without HTCondor.

    `types` says what stands for an instance type: its hardware and its boot delay.
    """

    def __init__(
        self,
        pace: Pace | str = Pace.QUICK,
        *,
        schedds: int = 1,
        regions: Sequence[str] = ("us-east-1",),
        types: Mapping[str, MachineType] | None = None,
        prefix: Path | None = None,
        cloud: CloudApi | None = None,
    ) -> None:
        self._make_pool = partial(LabPool, pace=pace, schedds=schedds, prefix=prefix)
        self._regions = regions
        self._types = types
        self._exits = ExitStack()
        self.cloud = cloud or CloudApi()
        self.pool: LabPool
        self.hypervisor: Hypervisor

    def __enter__(self) -> "Site":
        with self._exits:  # what has come up goes down again if the rest does not
            self.pool = self._make_pool(self._exits.enter_context(lab_directory()))
            with ThreadPoolExecutor(2) as crew:
                parts = [crew.submit(self._enter, part) for part in (self.cloud, self.pool)]
            for part in parts:
                part.result()
            hypervisor = Hypervisor(self.pool, self.cloud.endpoint, regions=self._regions, types=self._types)
            self.hypervisor = self._exits.enter_context(hypervisor)
            self._exits = self._exits.pop_all()
        return self

    def _enter(self, part: AbstractContextManager[Any]) -> None:
        self._exits.enter_context(part)

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def tokens(self) -> Path:
        """A token directory for the factory, made anew."""
        return self.pool.tokens(self.pool.directory / "factory-tokens")

    def env(self) -> Mapping[str, str]:
        """What a person's shell needs to look with HTCondor's tools and with any EC2 client."""
        return {
            **self.pool.environment(),
            "AWS_ENDPOINT_URL": self.cloud.endpoint,
            "AWS_DEFAULT_REGION": self._regions[0],
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
        }
