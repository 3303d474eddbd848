"""Traces of jobs from files: CSV, the Standard Workload Format, HTCondor's history, or made up from a seed.

CSV: a header and the columns at_s, runtime_s and, if wanted, cpus, memory_mib, disk_mib, gpus.
SWF (`.swf`): fields 2 (submit), 4 (run time), 5 or 8 (processors), 7 or 10 (KiB of memory for each processor).
HTCondor (`.json`): what `condor_history -json` prints: QDate, RemoteWallClockTime or the two dates, and the requests.
Times become relative to the first submission. Jobs that never ran are left out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from actors.fleet.shape import Shape
from actors.simulator.generate import KINDS, generate
from actors.simulator.jobs import Job

MADE_UP = re.compile(r"([a-z]+)(?::(\d+)(?::([1-9]\d*))?)?")  # kind, seed, jobs


class BadTrace(Exception):
    """The trace cannot be used: the message says which line or job, what was seen, and what is needed."""


def read(source: str) -> tuple[Job, ...]:
    """The jobs of `source`, by submission: a file's path, or "bursty", "steady", "mixed" or "daily", with
    ":SEED", or ":SEED:JOBS" for about so many. Raises BadTrace.
    """
    path = Path(source).expanduser()
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        return _made_up(source)
    try:
        jobs = list(reader(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as wrong:
        raise BadTrace(f"{source} cannot be read: {wrong}") from wrong
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as wrong:
        raise BadTrace(f"{source} is not a trace: {wrong!r}") from wrong
    if not jobs:
        raise BadTrace(f"{source} has no job that ran")
    first = min(at_s for at_s, _, _ in jobs)
    found = [Job(at_s=at_s - first, runtime_s=runtime_s, request=request) for at_s, runtime_s, request in jobs]
    return tuple(sorted(found, key=lambda job: job.at_s))


def _made_up(source: str) -> tuple[Job, ...]:
    said = MADE_UP.fullmatch(source)
    if said is None or said[1] not in KINDS:
        kinds = ", ".join(KINDS)
        raise BadTrace(
            f"{source!r} is no .csv, .swf or .json file, nor {kinds} with a seed (steady:7), and about so many jobs"
            " (steady:7:1000)"
        )
    return generate(said[1], int(said[2] or 1), int(said[3]) if said[3] else None)


Row = tuple[float, float, Shape]


def _csv(text: str) -> Iterable[Row]:
    for row in csv.DictReader(text.splitlines()):
        shape = Shape(
            cpus=int(row.get("cpus") or 1),
            memory_mib=int(row.get("memory_mib") or 0),
            disk_mib=int(row.get("disk_mib") or 0),
            gpus=int(row.get("gpus") or 0),
        )
        yield float(row["at_s"]), float(row["runtime_s"]), shape


def _swf(text: str) -> Iterable[Row]:
    for line in text.splitlines():
        fields = line.split()
        if not fields or line.lstrip().startswith(";"):
            continue
        processors = int(fields[4]) if int(fields[4]) > 0 else int(fields[7])
        kib = float(fields[6]) if float(fields[6]) > 0 else float(fields[9])
        if float(fields[3]) > 0 and processors > 0:
            memory_mib = int(max(0.0, kib) * processors / 1024)
            yield float(fields[1]), float(fields[3]), Shape(cpus=processors, memory_mib=memory_mib)


def _history(text: str) -> Iterable[Row]:
    for ad in json.loads(text):
        runtime_s = float(ad.get("RemoteWallClockTime") or 0) or _between(ad)
        if runtime_s > 0:
            shape = Shape(
                cpus=int(ad.get("RequestCpus", 1)),
                memory_mib=int(ad.get("RequestMemory", 0)),
                disk_mib=int(ad.get("RequestDisk", 0)) // 1024,
                gpus=int(ad.get("RequestGPUs", 0)),
            )
            yield float(ad["QDate"]), runtime_s, shape


def _between(ad: Mapping[str, Any]) -> float:
    return float(ad.get("CompletionDate") or 0) - float(ad.get("JobCurrentStartDate") or ad.get("JobStartDate") or 0)


READERS: dict[str, Callable[[str], Iterable[Row]]] = {".csv": _csv, ".swf": _swf, ".json": _history}
