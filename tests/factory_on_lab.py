"""A whole factory on a whole lab: a site, a Redis, and factory hosts as child processes. In a conftest:

    from tests.factory_on_lab import make_factory  # noqa: F401

    def test_a_job_is_run_by_a_vm(make_factory):
        factory = make_factory()
        factory.submit(3, seconds=5)
        factory.host().start()
        factory.until_done()
        factory.judge()

Two clouds, the cheaper first: `private` (m5.large, at most 2, free) and `spot` (c5.large, at most 4, priced). Intervals
are quick: TTL 3 s, tick 0.5 s, readings every second. The Redis lives as long as the test, not as a host.
"""

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig

from actors.config.load import load
from actors.config.schema import Config
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView, Want
from actors.runtime.messages import KINDS, OperatorWish
from actors.runtime.post_office import OPERATOR
from actors.store import active_config
from actors.store.codec import unpack
from actors.store.readings import DemandHead, StartdsHead, startds_head
from actors.store.views import read_views
from actors.store.vms import read_vms
from actors.store.wants import QueueStanding, WishOutcome, read_outcomes, read_standing, read_wants
from broker.connection.address import Site as RedisSite
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer
from broker.posts.leases import Leases, Owner
from broker.rows.document import Document
from broker.rows.table import Table
from deploy.lab.cloud.faults import HYPERVISOR_KEY
from deploy.lab.pool.access_point import AccessPoint, LabJob
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.gate import Gate
from deploy.lab.pool.master import ToolFailed
from deploy.lab.site import Site
from tests import factory_judge
from tests.condor_pool import condor  # noqa: F401
from tests.factory_configuration import QUEUE, TTL_S, TYPES, configuration, merged, toml
from tests.factory_process import HostProcess
from tests.forge import ForgedCloudApi
from tests.late import Broken, NotWithin, late_or_broken

POLL_S = 0.2
PATIENCE = 4.0  # limits hold on a quiet machine with two cores of its own; where others work too, all takes longer
_ON_BUYING = re.compile(r'"event": "(want|launch|vm|redis is empty)"')
MakeFactory = Callable[..., "Factory"]


class Factory:
    """One site and one factory. `changes` are merged into the configuration (see `configuration`)."""

    def __init__(self, site: Site, directory: Path, changes: Mapping[str, Any], name: str = "faults") -> None:
        self.site, self.directory, self.name = site, directory, name
        self.redis = EmbeddedServer(directory / "redis", port=0)
        self.hosts: dict[str, HostProcess] = {}
        self.gates: list[Gate] = []
        self._changes = changes
        self._exits = ExitStack()

    def __enter__(self) -> "Factory":
        self.redis.start()
        self._exits.callback(self.redis.stop)
        self.redis_site = RedisSite(address=self.redis.address, factory=self.name)
        self.client = self.redis_site.client()
        self._exits.callback(self.client.close)
        self.table = Table(self.client, self.redis_site)
        self.dead_letters = DeadLetters(self.client, self.redis_site)
        self.config_file = self.directory / f"{self.name}.toml"
        self.configure(**self._changes)
        self.fences = factory_judge.Fences(self.table, self.config.clouds)
        self._ec2 = _listing_client(self.site.cloud.endpoint)
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.close()
        for gate in self.gates:
            gate.open()
        self._exits.close()

    # --- the factory

    def configure(self, **changes: Any) -> None:
        """Write the configuration anew, with `changes` merged in. Hosts read it when they start."""
        self.config_file.write_text(toml(merged(configuration(self.site, self.redis, self.name), changes)))
        self.config: Config = load(self.config_file)

    def apply(self, **changes: Any) -> None:
        """As `apf apply` does: the configuration with `changes` becomes the active one; hosts serve it as they run."""
        self.configure(**changes)
        used = {vm.cloud for vm in self.alive()}
        active_config.activate(Document(self.client, self.redis_site, active_config.NAME), self.config, used, "a test")

    def host(self, name: str = "host-1", posts: str = "*") -> HostProcess:
        """The host of this name, not started yet."""
        if name not in self.hosts:
            secret = {"APF_TEST_REDIS": self.redis.address.password or ""}
            keys = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab", "AWS_EC2_METADATA_DISABLED": "true"}
            self.hosts[name] = HostProcess(name, self.config_file, self.directory, secret | keys, posts)
        return self.hosts[name]

    def wish(self, selector: str, name: str, reason: str = "a test wishes it", verb: str = "drain") -> WishOutcome:
        """Send an operator's wish until its outcome exists, as `apf` does."""
        clock = RedisClock(self.redis_site.client())
        clock.sync()
        mailer = Mailer(self.redis_site, KINDS, "a-test", clock)
        wish = OperatorWish(
            id=f"test-{secrets.token_hex(6)}", verb=verb, selector=selector, name=name, reason=reason, by="a test"
        )  # type: ignore[arg-type]
        try:
            self.until(lambda: self._sent(mailer, wish), f"the outcome of the wish {selector} {name}", 20)
        finally:
            mailer.close()
        return read_outcomes(self.table)[wish.id]

    def _sent(self, mailer: Mailer, wish: OperatorWish) -> bool:
        if wish.id in read_outcomes(self.table):
            return True
        mailer.send(OPERATOR, wish)
        return False

    # --- what is there

    def vms(self, cloud: str = "", *states: State) -> list[Vm]:
        """Rows, by cloud and state if given."""
        found = read_vms(self.table, self.config.clouds)
        return [vm for vm in found if cloud in ("", vm.cloud) and (not states or vm.state in states)]

    def alive(self, cloud: str = "") -> list[Vm]:
        return [vm for vm in self.vms(cloud) if vm.alive]

    def vm_of(self, instance_id: str) -> Vm | None:
        return next((vm for vm in self.vms() if vm.instance_id == instance_id), None)

    def wants(self, queue: str = QUEUE) -> dict[str, int]:
        """VMs wanted, by cloud."""
        return {cloud: want.n for cloud, want in self.want_rows(queue).items()}

    def want_rows(self, queue: str = QUEUE) -> dict[str, Want]:
        return read_wants(self.table, queue)

    def standing(self, queue: str = QUEUE) -> QueueStanding | None:
        return read_standing(self.table, queue)

    def cloud_view(self, cloud: str) -> CloudView | None:
        return read_views(self.table, cloud)[0]

    def startds_head(self) -> StartdsHead:
        return startds_head(self.table, "local")

    def demand_head(self) -> DemandHead:
        row = self.table.get("demand", "pool/local", "@")
        return unpack(DemandHead, row.body) if row else DemandHead()

    def terms(self) -> dict[str, Owner]:
        """Who holds which post now, with its fence."""
        return {owner.post: owner for owner in Leases(self.client, self.redis_site, "a-test#0", 3).owners()}

    def fences_of(self) -> dict[str, tuple[str | None, int]]:
        """Post -> (holder, fence): equal before and after, if no term ended in between."""
        return {post: (owner.holder, owner.fence) for post, owner in self.terms().items()}

    def no_post_was_lost(self, before: dict[str, tuple[str | None, int]]) -> None:
        """Since `fences_of` said this. Raises NotWithin: a machine that stood still for a lease's time loses posts with
        nobody at fault, and a product that loses them loses them each time.
        """
        if self.fences_of() != before:
            raise NotWithin(TTL_S, f"each post's lease was renewed: {before} then, {self.fences_of()} now")

    def instances(self) -> dict[str, str]:
        """What the cloud lists as not ended: id -> state. All of it, whoever started it."""
        pages = self._ec2.get_paginator("describe_instances").paginate()
        found = {
            i["InstanceId"]: i["State"]["Name"] for page in pages for r in page["Reservations"] for i in r["Instances"]
        }
        return {key: state for key, state in found.items() if state not in ("terminated", "stopped")}

    def ledger(self) -> list[dict[str, Any]]:
        return self.site.cloud.control.ledger()

    def ended(self) -> list[str]:
        """Instances that the API was asked to end, in that order."""
        return [i for one in self.ledger() if one["action"] == "TerminateInstances" for i in one["ids"]]

    def started(self) -> list[str]:
        """Instances that were started, in that order."""
        runs = (one for one in self.ledger() if one["action"] == "RunInstances" and not one.get("repeat"))
        return [i for one in runs for i in one["ids"]]

    def bought(self, number: int) -> None:
        """So many VMs were started in all, and no more. Raises Broken, with what each was bought for."""
        started = self.started()
        if len(started) != number:
            told = [
                line for host in self.hosts.values() for line in host.text().splitlines() if _ON_BUYING.search(line)
            ]
            rows = "\n".join(f"  {vm.cloud} {vm.id} {vm.instance_id} {vm.state}: {vm.reason}" for vm in self.vms())
            raise Broken(f"{len(started)} VMs were started, not {number}\n{rows}\n" + "\n".join(told))

    def running_jobs(self) -> list[str]:
        """The instances on which jobs run now, one for each job, as the schedds say."""
        return [job.instance_id for job in self.site.pool.queue() if job.status == 2]

    # --- jobs, waiting, judging

    def gate(self) -> Gate:
        """A closed gate for jobs that are to run until it is opened; `until_done` opens all."""
        self.gates.append(
            Gate(self.site.pool.directory / "gates" / f"{self.name}-{len(self.gates)}", self.site.pool.user)
        )
        return self.gates[-1]

    def submit(self, jobs: int, seconds: float = 5.0, schedd: int = 0, **options: Any) -> list[str]:
        """Like jobs of the queue; `options` are those of LabJob."""
        return self.site.pool.submit([LabJob(**{"seconds": seconds, "queue": QUEUE, **options})] * jobs, schedd)

    def until(self, condition: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
        """Wait for a condition; NotWithin says `what` was waited for and how things stand."""
        deadline = time.monotonic() + PATIENCE * limit_s
        while not condition():
            if time.monotonic() > deadline:
                raise late_or_broken(NotWithin(limit_s, what, self.story()), self._broken())
            self._watch()
            time.sleep(POLL_S)

    def holds(self, condition: Callable[[], object], what: str, for_s: float) -> None:
        """A condition must be true all the time."""
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            if not condition():
                raise Broken(f"not true any more: {what}\n{self.story()}")
            self._watch()
            time.sleep(POLL_S)

    def until_running(self, jobs: int, vms: int | None = None) -> None:
        """So many jobs run on so many VMs that have joined (else one each), and the factory has seen it."""
        self.until(lambda: len(self.running_jobs()) == jobs, f"{jobs} jobs run", 40)
        self.until(lambda: len(self.vms("", State.READY)) == (vms or jobs), f"{vms or jobs} VMs have joined", 20)
        self.until(lambda: (self.standing().idle, self.standing().running) == (0, jobs), f"{jobs} are seen to run", 20)  # type: ignore[union-attr]

    def until_done(self, limit_s: float = 60.0) -> None:
        """Open all gates; then all jobs leave the queue, and no VM is left."""
        for gate in self.gates:
            gate.open()
        self.until(lambda: not self.site.pool.queue(), "all jobs have left the queue", limit_s)
        self.until_no_vm()

    def until_no_vm(self, limit_s: float = 40.0) -> None:
        self.until(lambda: not self.alive() and not self.instances(), "no VM is left", limit_s)

    def judge(self, *, disturbed: int = 0, waiting: int = 0) -> None:
        """The promises were kept. `disturbed`: jobs that the test itself broke; `waiting`: those meant to wait."""
        self._watch()
        pool = self.site.pool
        history, queue = pool.history(), pool.queue()
        left = queue if len(queue) != waiting else []
        wrong = factory_judge.complaints(history, left, self.ledger(), self._limits()) + self.fences.broken
        hurt = factory_judge.disturbed(history)
        if len(hurt) > disturbed:
            wrong += hurt
        wrong += [f"instance {i} is left: {state}" for i, state in self.instances().items()]
        rows = {vm.instance_id for vm in self.vms()}
        wrong += [f"instance {i} never had a row" for i in self.started() if i not in rows]
        wrong += [f"VM {vm.id} is left in {vm.state}: {vm.reason}" for vm in self.alive()]
        if wrong:
            raise Broken("\n".join(wrong) + "\n" + self.story())

    def _broken(self) -> list[str]:
        """Promises that no time can mend, as they stand now; nothing of jobs where a schedd does not answer."""
        try:
            jobs = [*self.site.pool.history(), *self.site.pool.queue()]
        except ToolFailed:
            jobs = []
        ledger = self.ledger()
        return [
            *factory_judge.ended_under_jobs(jobs, ledger), *factory_judge.bought_twice(ledger),
            *factory_judge.over_limit(ledger, self._limits()), *self.fences.broken,
        ]  # fmt: skip

    def _limits(self) -> dict[str, int]:
        return {TYPES[name]: cloud.max_vms for name, cloud in self.config.clouds.items() if name in TYPES}

    def story(self) -> str:
        """How things stand, for a failed test."""
        jobs = [_jobs_of(point) for point in self.site.pool.access_points]
        rows = "\n".join(f"  {vm.cloud} {vm.id} {vm.instance_id} {vm.state}: {vm.reason}" for vm in self.vms())
        logs = "\n".join(f"{host.name}:\n{host.text()[-6000:]}" for host in self.hosts.values())
        unready = [vm.instance_id for vm in self.alive() if vm.state is not State.READY]
        guests = "\n".join(map(self.site.hypervisor.story, unready))
        return f"jobs by status: {jobs}; listed: {self.instances()}\nrows:\n{rows}\n{guests}\n{logs}"

    def _watch(self) -> None:
        if self.redis.pid:
            self.fences.look()


@pytest.fixture
def make_factory(condor: Path, tmp_path: Path) -> Iterator[MakeFactory]:  # noqa: F811
    """make_factory(site=None, name="faults", pace="quick", schedds=1, types=None, **configuration changes) -> Factory.

    With `site` a second factory comes to a site that is there. Everything ends with the test.
    """
    with ExitStack() as stack:

        def make(
            site: Site | None = None,
            name: str = "faults",
            pace: Pace | str = Pace.QUICK,
            schedds: int = 1,
            types: Mapping[str, Any] | None = None,
            **changes: Any,
        ) -> Factory:
            if site is None:
                cloud = ForgedCloudApi(tmp_path / "cloud.log")
                site = stack.enter_context(Site(pace, schedds=schedds, types=types, prefix=condor, cloud=cloud))
            directory = tmp_path / name
            directory.mkdir()
            return stack.enter_context(Factory(site, directory, changes, name))

        yield make


def _jobs_of(point: AccessPoint) -> dict[int, int] | str:
    try:
        return dict(Counter(job.status for job in point.queue()))
    except ToolFailed as failed:
        return f"{point.name} does not answer: {failed}"


def _listing_client(endpoint: str) -> Any:
    """Looks with the lab's own key: meets no faults and uses none up."""
    return boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=HYPERVISOR_KEY,
        aws_secret_access_key="lab",
        config=BotoConfig(retries={"total_max_attempts": 1}),
    )
