"""Jobs that stand for VMs: what marks them as ours, how they are named, and what their ads say of them.

Each carries ApfFactory, ApfCloud, ApfQueue, ApfIntent, ApfToken and ApfDecision. An id is the job's GlobalJobId: a
cluster number may come again when a schedd loses its queue, this never does. Jobs that are over stay in the queue for a
while (LeaveJobInQueue), so that one answer shows the living and the dead; then the schedd's history has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors.clouds.port import Order, Refused, Spent, TokenUsed
from actors.fleet.observations import Instance

IDLE, RUNNING, REMOVED, COMPLETED, HELD, LEAVING, SUSPENDED = 1, 2, 3, 4, 5, 6, 7
AT_WORK = (RUNNING, LEAVING, SUSPENDED)
ID = "GlobalJobId"
NAMES = (
    ID, "ClusterId", "ProcId", "JobStatus", "QDate", "EnteredCurrentStatus", "JobStartDate", "JobCurrentStartDate",
    "CompletionDate", "RemoteWallClockTime", "NumJobStarts", "ExitCode", "ExitBySignal", "ExitSignal", "HoldReason",
    "HoldReasonCode", "RemoveReason", "RemoteHost", "LastRemoteHost", "Managed", "GridJobId", "GridJobStatus",
    "ApfQueue", "ApfIntent", "ApfToken", "ApfRequest", "ApfHeld",
)  # fmt: skip
LONGEST_TOKEN = 64

Row = Mapping[str, Any]


def quoted(text: str) -> str:
    """A ClassAd string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def marks(factory: str, cloud: str, order: Order) -> dict[str, str]:
    """Lines of a submit description that make the jobs ours."""
    if len(order.token) > LONGEST_TOKEN:
        raise Refused(f"the token has {len(order.token)} characters, {LONGEST_TOKEN} are allowed")
    said = {
        "ApfFactory": factory,
        "ApfCloud": cloud,
        "ApfQueue": order.queue,
        "ApfIntent": order.intent,
        "ApfToken": order.token,
        "ApfDecision": order.decision,
    }
    return {f"My.{name}": quoted(text) for name, text in said.items()}


def kept_while(kept_s: float) -> str:
    """LeaveJobInQueue: a job that is over stays for so long."""
    return f"(JobStatus == {COMPLETED} || JobStatus == {REMOVED}) && time() - EnteredCurrentStatus < {kept_s:.0f}"


def digest(request: str) -> str:
    """By which a repeat is told from another request with its token."""
    return hashlib.sha256(request.encode()).hexdigest()[:32]


def ours(factory: str, cloud: str) -> str:
    """True for the jobs of one cloud of one factory."""
    return f"ApfFactory == {quoted(factory)} && ApfCloud == {quoted(cloud)}"


def one_of(ids: Iterable[str]) -> str:
    return "(" + " || ".join(f"{ID} == {quoted(one)}" for one in ids) + ")"


def same_request(rows: Sequence[Row], request: str) -> None:
    """Raises TokenUsed if these jobs were submitted for another request."""
    if any(row.get("ApfRequest") != digest(request) for row in rows):
        raise TokenUsed("jobs with this token were submitted for another request", "token")


def living(instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """What a launch answers, told apart by index. Raises Spent where all are over."""
    if all(one.dead for one in instances):
        raise Spent("the jobs of this token are over", "token")
    return tuple(sorted((one for one in instances if not one.dead), key=lambda one: one.index))


def whole(row: Row, name: str) -> int:
    """A number of an ad, 0 where there is none."""
    value = row.get(name, 0)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def text(row: Row, name: str) -> str:
    value = row.get(name, "")
    return value if isinstance(value, str) else ""


def ran_s(row: Row) -> float:
    """How long it ran: at least half a second where it ran at all; 0: it never did."""
    started, ended = whole(row, "JobStartDate"), whole(row, "CompletionDate") or whole(row, "EnteredCurrentStatus")
    return max(0.5, float(ended - started)) if started else 0.0


def over_because(row: Row) -> tuple[bool, str]:
    """(whether it ended by itself, why it is over), of one that is."""
    if whole(row, "JobStatus") == REMOVED:
        return False, f"removed: {text(row, 'RemoveReason') or 'the schedd does not say why'}"
    how = f"exit code {whole(row, 'ExitCode')}"
    if row.get("ExitBySignal"):
        how = f"signal {whole(row, 'ExitSignal')}"
    return True, f"finished after {ran_s(row):.0f} s, {how}"


def held_because(row: Row) -> str:
    return f"held: {text(row, 'HoldReason') or 'the schedd does not say why'}"


def held_s(row: Row) -> float:
    """By the schedd's own clock, since when it is held; 0 where it is not."""
    if whole(row, "JobStatus") != HELD:
        return 0.0
    return max(0.0, float(whole(row, "ServerTime") - whole(row, "EnteredCurrentStatus")))
