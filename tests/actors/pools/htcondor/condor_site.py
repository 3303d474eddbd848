"""The conformance suite's Site on a real HTCondor pool."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from actors.config.schema import HtcondorPool
from actors.pools.htcondor.pool import Htcondor
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.gate import Gate
from deploy.lab.pool.master import ToolFailed
from deploy.lab.pool.node import Node
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN
from tests.actors.pools.conformance import End
from tests.condor_pool import NodeMaker, until

PATIENT_S = 20.0  # where no test is about the limit: a busy machine's daemons may need seconds
QUEUES = (
    ("atlas", 'MATCH_APF_QUEUE == "atlas"', "true", 0.0),
    ("cms", 'MATCH_APF_QUEUE == "cms"', "true", 0.0),
)


def factory_pool(
    lab: LabPool,
    tokens: Path,
    *,
    queues: tuple[tuple[str, str, str, float], ...] = QUEUES,
    schedds: tuple[str, ...] = (),
    timeout_s: float = PATIENT_S,
) -> Htcondor:
    """The adapter under test, with the factory's token and the library's defaults otherwise."""
    config = HtcondorPool(
        collector=lab.collector,
        schedds=schedds,
        token_directory=str(lab.tokens(tokens)),
        trust_domain=DOMAIN,
        timeout_s=timeout_s,
    )
    return Htcondor("lab", config, queues)


class CondorSite:
    def __init__(self, lab: LabPool, tokens: Path, boot: NodeMaker, **settings: object) -> None:
        self.lab = lab
        self.pool = factory_pool(lab, tokens, **settings)  # type: ignore[arg-type]
        self._boot = boot
        self.nodes: dict[str, Node] = {}
        self._gates: list[Gate] = []  # one that nobody keeps is open

    def boot(self, *, cpus: int = 1, retirement_s: int = 315_360_000, **settings: str) -> str:
        name = f"i-{len(self.nodes)}-{id(self):x}"
        given = {"MAXJOBRETIREMENTTIME": str(retirement_s), **settings}
        self.nodes[name] = self._boot(self.lab, name, cpus=cpus, settings=given, joins=False)
        return name

    def submit(self, queue: str, jobs: int, cpus: int = 1, seconds: float | None = None, **more: str) -> End:
        """`seconds`: jobs that end by themselves."""
        attributes = {name: text for name, text in more.items() if name[0].isupper()}
        submit = {name: text for name, text in more.items() if not name[0].isupper()}
        self._gates.append(gate := Gate(self.lab.directory / "gates" / uuid.uuid4().hex, self.lab.user))
        job = LabJob(
            seconds=seconds or 0.0,
            queue=queue,
            cpus=cpus,
            attributes=attributes,
            submit=submit,
            gate=gate if seconds is None else None,
        )
        self.lab.submit([job] * jobs)
        return gate.open

    def executing(self) -> int:
        runs = ("-constraint", "JobStatus == 2 && JobCurrentStartExecutingDate isnt undefined", "-af", "ClusterId")
        points = self.lab.access_points
        return sum(len(point.master.tool("condor_q", "-allusers", *runs).split()) for point in points)

    def until(self, condition: Callable[[], object], what: str) -> None:
        until(condition, what)

    def close(self) -> None:
        """Leave the shared pool as it was found."""
        for point in self.lab.access_points:
            if point.queue():
                point.remove()
                with suppress(ToolFailed):  # there is nothing to force where no shadow waits for a dead startd
                    point.master.tool("condor_rm", "-forcex", "-constraint", "true")
        for gate in self._gates:
            gate.open()
        for node in self.nodes.values():
            node.kill()
        self.pool.close()
        until(lambda: not self.lab.queue(), "the queue is empty")
        self.lab.tool("condor_advertise", "INVALIDATE_STARTD_ADS", str(self._all_startds()))

    def _all_startds(self) -> Path:
        ad = 'MyType = "Query"\nTargetType = "Machine"\nRequirements = true\n'
        return self.lab.user.write(self.lab.directory / "invalidate", ad)
