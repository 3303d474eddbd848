"""An access point of the lab: one schedd with its own master; jobs go in, the record comes out.

Why: the lab is judged by the pool's own record (was a job started twice, was it ever evicted), never by
what the factory believes. The tools are HTCondor's, run as child processes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from deploy.lab.pool.gate import Gate
from deploy.lab.pool.master import Master

_ATTRIBUTES = (
    "ClusterId,ProcId,JobStatus,NumJobStarts,NumShadowStarts,NumVacates,LastVacateTime,VacateReason,LastRemoteHost,"
    "RemoteHost,JobStartDate,CompletionDate,QDate,ExitCode,MachineAttrCloudInstanceID0,MATCH_APF_QUEUE"
)

COMPLETED = 4


@dataclass(frozen=True, kw_only=True)
class LabJob:
    """A job to submit: it sleeps for `seconds`, once its gate is open if it has one.

    `attributes` are ClassAd expressions to add to its ad, `submit` lines of its submit description.
    """

    seconds: float = 1.0
    queue: str = ""
    cpus: int = 1
    memory_mib: int = 16
    disk_mib: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    submit: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None

    def kind(self) -> str:
        """The lines of a submit description that say what kind of job it is: all but its duration."""
        lines = {
            **_program(self.gate),
            "request_cpus": str(self.cpus),
            "request_memory": f"{self.memory_mib}M",
            "request_disk": f"{self.disk_mib}M",
            **({"My.MATCH_APF_QUEUE": f'"{self.queue}"'} if self.queue else {}),
            **{f"My.{name}": text for name, text in self.attributes.items()},
            **self.submit,
        }
        return "".join(f"{name} = {text}\n" for name, text in lines.items())


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """What the schedd knows of one job. Dates are seconds since the epoch."""

    schedd: str
    cluster: int
    proc: int
    status: int
    queue: str
    starts: int
    shadow_starts: int
    vacates: int
    submitted_at: int
    started_at: int | None
    completed_at: int | None
    host: str
    instance_id: str
    exit_code: int | None

    @property
    def completed(self) -> bool:
        """Whether it ran to its end."""
        return self.status == COMPLETED

    @property
    def claims_lost(self) -> int:
        """How often it lost a claim to a drain before it began: it ran once only, and lost nothing but time."""
        return self.vacates if self.starts == 1 and self.shadow_starts == self.vacates + 1 else 0

    @property
    def undisturbed(self) -> bool:
        """Whether it was started at most once and never evicted."""
        return self.starts <= 1 and self.shadow_starts - self.claims_lost <= 1 and self.vacates == self.claims_lost


class AccessPoint:
    """One schedd, by name."""

    def __init__(self, name: str, master: Master) -> None:
        self.name = name
        self.master = master

    @property
    def address_file(self) -> Path:
        return self.master.directory / "schedd_address"

    @property
    def address(self) -> str:
        """The schedd's sinful string, empty until it is up."""
        text = self.address_file.read_text() if self.address_file.exists() else ""
        return text.partition("\n")[0]

    def submit(self, jobs: Sequence[LabJob]) -> list[str]:
        """Submit jobs; their ids as "cluster.proc", in the order given. Like jobs share a cluster."""
        batches = [list(batch) for _, batch in groupby(jobs, key=LabJob.kind)]
        return [job_id for batch in batches for job_id in self._submit_batch(batch)]

    def remove(self, constraint: str = "true") -> None:
        """condor_rm by ClassAd constraint."""
        self.master.tool("condor_rm", "-constraint", constraint)

    def queue(self) -> list[JobRecord]:
        """The jobs that are in the queue now."""
        return self._records("condor_q", "-allusers")

    def history(self) -> list[JobRecord]:
        """The jobs that left the queue."""
        return self._records("condor_history")

    def _submit_batch(self, jobs: Sequence[LabJob]) -> list[str]:
        description = self.master.directory / "jobs.sub"
        seconds = ", ".join(f"{job.seconds:g}" for job in jobs)
        runs = f"queue seconds in ({seconds})\n"
        self.master.user.write(description, _HEAD + jobs[0].kind() + runs)
        said = self.master.tool("condor_submit", "-terse", str(description))
        return [job_id for line in said.splitlines() for job_id in _ids(line)]

    def _records(self, *command: str) -> list[JobRecord]:
        said = self.master.tool(*command, "-json", "-attributes", _ATTRIBUTES)
        return [self._record(ad) for ad in (json.loads(said) if said.strip() else [])]

    def _record(self, ad: Mapping[str, Any]) -> JobRecord:
        vacated = ad.get("NumVacates", 0) or int("LastVacateTime" in ad or "VacateReason" in ad)
        return JobRecord(
            schedd=self.name,
            cluster=ad["ClusterId"],
            proc=ad["ProcId"],
            status=ad["JobStatus"],
            queue=ad.get("MATCH_APF_QUEUE", ""),
            starts=ad.get("NumJobStarts", 0),
            shadow_starts=ad.get("NumShadowStarts", 0),
            vacates=vacated,
            submitted_at=ad.get("QDate", 0),
            started_at=ad.get("JobStartDate"),
            completed_at=ad.get("CompletionDate") or None,
            host=ad.get("RemoteHost") or ad.get("LastRemoteHost") or "",
            instance_id=ad.get("MachineAttrCloudInstanceID0", ""),
            exit_code=ad.get("ExitCode"),
        )


def _ids(line: str) -> list[str]:
    """The ids in a line of `condor_submit -terse`: "1.0 - 1.3"."""
    first, _, last = line.replace(" ", "").partition("-")
    cluster, _, low = first.partition(".")
    high = last.partition(".")[2] or low
    return [f"{cluster}.{proc}" for proc in range(int(low), int(high) + 1)]


def _program(gate: Gate | None) -> dict[str, str]:
    if gate is None:
        return {"executable": "/bin/sleep", "arguments": "$(seconds)"}
    return {"executable": "/usr/bin/flock", "arguments": f"--shared {gate.path} /bin/sleep $(seconds)"}


_HEAD = """transfer_executable = false
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
notification = never
"""
