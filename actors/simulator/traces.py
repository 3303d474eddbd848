"""Traces of jobs from files: CSV, the Standard Workload Format, HTCondor's history, or made up from a seed.

CSV: a header and the columns at_s, runtime_s and, if wanted, cpus, memory_mib, disk_mib, gpus.
SWF (`.swf`): fields 2 (submit), 4 (run time), 5 or 8 (processors), 7 or 10 (KiB of memory for each processor).
HTCondor (`.json`, `.jsonl`): what `condor_history -json` or `-jsonl` prints, see `history`.
Times become relative to the first submission. Jobs that never ran, or not on workers, are left out and counted.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from actors.fleet.number_of import number_of
from actors.fleet.shape import Shape
from actors.simulator import history
from actors.simulator.generate import KINDS, generate
from actors.simulator.history import NEVER_RAN
from actors.simulator.jobs import BadTrace, Job, LeftOut, Row, Trace, amount, seconds

MADE_UP = re.compile(r"([a-z]+)(?::(\d{1,18})(?::([1-9]\d{0,8}))?)?")  # kind, seed, jobs
NEEDED = ("at_s", "runtime_s")
REQUESTS = ("cpus", "memory_mib", "disk_mib", "gpus")
SWF_FIELDS = 10  # that are read of 18


def read(source: str) -> tuple[Job, ...]:
    """The jobs of `trace`."""
    return trace(source).jobs


def trace(source: str) -> Trace:
    """The jobs of `source`: a file's path, or "bursty", "steady", "mixed" or "daily", with ":SEED", or ":SEED:JOBS" for
    about so many. Raises BadTrace.
    """
    path = Path(source).expanduser()
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        return Trace(jobs=_made_up(source), left_out={})
    try:
        found = list(reader(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as wrong:
        raise BadTrace(f"{source} cannot be read: {wrong}") from wrong
    except BadTrace as wrong:
        raise BadTrace(f"{source} is not a trace: {wrong}") from wrong
    left_out = Counter(str(one) for one in found if isinstance(one, LeftOut))
    rows = [one for one in found if not isinstance(one, LeftOut)]
    if not rows:
        why = "; ".join(f"{number_of(count, 'job', why)}" for why, count in left_out.items())
        raise BadTrace(f"{source} has no job that ran on a worker" + (f": {why}" if why else ""))
    return Trace(jobs=_relative(rows), left_out=dict(left_out))


def _relative(rows: list[Row]) -> tuple[Job, ...]:
    first = min(at_s for at_s, _, _ in rows)
    found = [Job(at_s=at_s - first, runtime_s=runtime_s, request=request) for at_s, runtime_s, request in rows]
    return tuple(sorted(found, key=lambda job: job.at_s))


def _made_up(source: str) -> tuple[Job, ...]:
    said = MADE_UP.fullmatch(source)
    if said is None or said[1] not in KINDS:
        kinds = ", ".join(KINDS)
        raise BadTrace(
            f"{source!r} is no .csv, .swf, .json or .jsonl file, nor {kinds} with a seed (steady:7), and about so many"
            " jobs (steady:7:1000)"
        )
    return generate(said[1], int(said[2] or 1), int(said[3]) if said[3] else None)


def _csv(text: str) -> Iterable[Row | LeftOut]:
    rows = csv.DictReader(io.StringIO(text))
    columns = [column for column in rows.fieldnames or () if column]
    if missing := [column for column in NEEDED if column not in columns]:
        raise BadTrace(
            f"line 1: seen the columns {', '.join(columns) or '(none)'}; {' and '.join(missing)} must be there too;"
            f" allowed: {', '.join((*NEEDED, *REQUESTS))}"
        )
    try:
        for row in rows:
            yield _row(row, f"line {rows.line_num}")
    except csv.Error as wrong:
        raise BadTrace(f"line {rows.line_num}: no CSV: {wrong}") from wrong


def _row(row: dict[str, str | None], where: str) -> Row:
    at_s, runtime_s = (seconds(_number(row.get(name) or "", where, name), where, name) for name in NEEDED)
    asked = {
        name: amount(_number(text, where, name), where, name)
        for name in REQUESTS
        if (text := row.get(name) or "").strip()
    }
    return at_s, runtime_s, Shape(**asked)


def _number(text: str, where: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadTrace(f"{where}: {name}: seen {text[:40]!r}; allowed: a number") from None


def _swf(text: str) -> Iterable[Row | LeftOut]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if fields and not line.lstrip().startswith(";"):
            yield _swf_job(fields, f"line {number}")


def _swf_job(fields: list[str], where: str) -> Row | LeftOut:
    if len(fields) < SWF_FIELDS:
        raise BadTrace(f"{where}: seen {len(fields)} fields; needed: {SWF_FIELDS} or more, separated by spaces")
    at_s, runtime_s, used, asked, used_kib, asked_kib = (
        _number(fields[at], where, f"field {at + 1}") for at in (1, 3, 4, 7, 6, 9)
    )
    processors = used if used > 0 else asked
    if not (runtime_s > 0 and processors > 0):
        return LeftOut(NEVER_RAN)
    cpus = amount(processors, where, "processors")
    memory_mib = amount(max(0.0, used_kib if used_kib > 0 else asked_kib) * cpus // 1024, where, "memory")
    return (
        seconds(at_s, where, "field 2"),
        seconds(runtime_s, where, "field 4"),
        Shape(cpus=cpus, memory_mib=memory_mib),
    )


READERS: dict[str, Callable[[str], Iterable[Row | LeftOut]]] = {
    ".csv": _csv,
    ".swf": _swf,
    ".json": history.listed,
    ".jsonl": history.by_line,
}
