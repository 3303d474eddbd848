"""Jobs of our own in a schedd: submit, look up, remove. Runs in a child.

A schedd takes the jobs of one submission in one transaction, or none of them. What a broken connection leaves open is
whether it took them: so a submission is looked up by its token before it is sent, and again after any error. Only a
schedd that answers afterwards, and has no such job, says that nothing was submitted. Two that submit with one token at
the same moment both see that: the later cluster is removed again.

Measured (25.14): the constraint of an action is evaluated by the schedd at the moment at which it acts, so a job that
began to run meanwhile is spared by it; a removed job stays in the queue, as a completed one does, while its
LeaveJobInQueue is true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import htcondor2
from classad2 import ClassAd

from actors.fleet.number_of import number_of
from actors.pools.htcondor.child_main import Failure
from actors.pools.htcondor.errors import LIBRARY_ERRORS, asked_twice, explained, failure
from actors.pools.htcondor.jobs import schedd_at

FOUND = ("GlobalJobId", "ClusterId", "ProcId", "JobStatus", "ApfRequest")
PLAIN = (str, int, float, bool)
FULL = re.compile(r"MAX_JOBS_|exceed", re.IGNORECASE)
Row = dict[str, Any]  # attribute -> plain value; absent where it is not defined


def submit(
    name: str, address: str, description: Mapping[str, str], count: int, token: str, names: tuple[str, ...]
) -> Iterator[tuple[bool, list[Row]]]:
    """(whether they are new, the jobs that carry `token`). The description gives each job ApfToken = token."""
    schedd, same = schedd_at(address), f'ApfToken == "{token}"'
    with explained(f"schedd {name} was asked for jobs of an earlier try"):
        found = _queued(schedd, same, names)
    if found:
        yield False, found
        return
    try:
        cluster = schedd.submit(htcondor2.Submit(dict(description)), count=count).cluster()
    except (*LIBRARY_ERRORS, ValueError, KeyError) as error:
        failed = failure(f"schedd {name} was asked to take {number_of(count, 'job')}", error)
        yield False, _after(name, schedd, same, names, failed)
        return
    with explained(f"schedd {name} took cluster {cluster}, and was asked for its jobs"):
        yield True, _only_one(schedd, _queued(schedd, same, names))


def _after(name: str, schedd: htcondor2.Schedd, same: str, names: Sequence[str], failed: Failure) -> list[Row]:
    """What an attempt that failed left there. Nothing, and it is sure: the schedd says so."""
    with explained(f"{failed}; then schedd {name} was asked whether it took them"):
        found = _queued(schedd, same, names)
    if found:
        return found
    if failed.kind == "denied":
        raise failed
    raise Failure("full" if FULL.search(str(failed)) else "refused", str(failed))


def _only_one(schedd: htcondor2.Schedd, found: list[Row]) -> list[Row]:
    first = min((row["ClusterId"] for row in found), default=0)
    for other in {row["ClusterId"] for row in found} - {first}:
        schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {other}", reason=("apf: submitted twice at once", 0))
    return [row for row in found if row["ClusterId"] == first]


def queued(name: str, address: str, constraint: str, names: tuple[str, ...]) -> Iterator[list[Row]]:
    """All jobs in the queue for which `constraint` is true."""
    with explained(f"schedd {name} was asked for our jobs"):
        yield _queued(schedd_at(address), constraint, names)


def left(name: str, address: str, constraint: str, names: tuple[str, ...], most: int) -> Iterator[list[Row]]:
    """Jobs that left the queue, as its history has them, the last `most` that left."""
    with explained(f"schedd {name} was asked for jobs that left its queue"):
        schedd = schedd_at(address)
        yield [_plain(ad, names) for ad in asked_twice(lambda: schedd.history(constraint, list(names), most))]


def remove(name: str, address: str, constraint: str, reason: str) -> Iterator[int]:
    """How many jobs were removed."""
    with explained(f"schedd {name} was asked to remove jobs"):
        schedd = schedd_at(address)
        done = asked_twice(lambda: schedd.act(htcondor2.JobAction.Remove, constraint, reason=(reason, 0)))
    if done and done["TotalPermissionDenied"]:
        removed = number_of(int(done["TotalSuccess"]), "job")
        raise Failure("denied", f"schedd {name} lets us remove {removed}, and others not")
    yield int(done["TotalSuccess"]) if done else 0


def edit(name: str, address: str, constraint: str, attribute: str, value: str) -> Iterator[int]:
    """Set an attribute, a ClassAd expression, of jobs. How many."""
    schedd = schedd_at(address)
    with explained(f"schedd {name} was asked to set {attribute}"):
        there = _queued(schedd, constraint, ("ClusterId",))  # an edit of none is an error
        if there:
            schedd.edit(constraint, attribute, value)
    yield len(there)


def _queued(schedd: htcondor2.Schedd, constraint: str, names: Sequence[str]) -> list[Row]:
    asked = [*FOUND, *(one for one in names if one not in FOUND)]
    return [_plain(ad, (*asked, "ServerTime")) for ad in asked_twice(lambda: schedd.query(constraint, asked))]


def _plain(ad: ClassAd, names: Sequence[str]) -> Row:
    found = {name: ad.get(name) for name in names}
    return {name: value for name, value in found.items() if type(value) in PLAIN}  # Undefined is an int, too
