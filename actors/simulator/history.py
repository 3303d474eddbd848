"""Jobs from `condor_history -json` (one list of ads) and `-jsonl` (an ad a line).

HTCondor writes an expression as the text "/Expr(...)/"; it is evaluated in its own ad, as the negotiator would. A job
without a request has HTCondor's defaults; one whose request is there and is no number is left out, and so are jobs that
run on no worker (universes 7, 9 and 12: scheduler, grid and local; DAGMan is one of them) and those that never ran.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from classad2 import ClassAd, ClassAdException, ExprTree, Value

from actors.fleet.shape import Shape
from actors.simulator.jobs import BadTrace, LeftOut, Row, amount, seconds

NO_VM = {7: "scheduler (DAGMan and the like)", 9: "grid", 12: "local"}
NEVER_RAN = "never ran"
EXPRESSION = ("/Expr(", ")/")
KIB = 1024


def listed(text: str) -> Iterable[Row | LeftOut]:
    """Of a list of ads. Raises BadTrace."""
    ads = _parsed(text, "the file")
    if not isinstance(ads, list):
        raise BadTrace(f"seen {type(ads).__name__}; allowed: a list of ads, as condor_history -json prints it")
    for number, ad in enumerate(ads, 1):
        yield _job(ad, f"job {number}")


def by_line(text: str) -> Iterable[Row | LeftOut]:
    """Of an ad a line. Raises BadTrace."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield _job(_parsed(line, f"line {number}"), f"line {number}")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        at = f"line {wrong.lineno}" if where == "the file" else where
        raise BadTrace(f"{at}, column {wrong.colno}: no JSON: {wrong.msg}") from wrong
    except (RecursionError, ValueError) as wrong:
        raise BadTrace(f"{where}: no ads: {wrong}") from wrong


def _job(raw: Any, where: str) -> Row | LeftOut:
    if not isinstance(raw, dict):
        raise BadTrace(f"{where}: seen {type(raw).__name__}; allowed: an ad, which is a table of attributes")
    ad = _ad(raw, where)
    universe = ad.eval("JobUniverse") if "JobUniverse" in ad else None
    if universe in NO_VM:
        return LeftOut(f"need no VM: universe {universe}, {NO_VM[universe]}")
    runtime_s = _time(ad, "RemoteWallClockTime", where) or _between(ad, where)
    if runtime_s <= 0:
        return LeftOut(NEVER_RAN)
    if "QDate" not in ad:
        raise BadTrace(f"{where}: no QDate, the time of its submission; condor_history prints it with all attributes")
    asked = [_request(ad, f"Request{what}", default) for what, default in (("Cpus", 1), ("Memory", 0), ("Disk", 0))]
    gpus = _request(ad, "RequestGPUs", 0)
    if gpus is None or None in asked:
        return LeftOut("ask for what is no number")
    cpus, memory_mib, disk_kib = (amount(one or 0, where, "request") for one in asked)
    shape = Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_kib // KIB, gpus=amount(gpus, where, "request"))
    return seconds(_number(ad, "QDate") or 0.0, where, "QDate"), runtime_s, shape


def _ad(raw: dict[str, Any], where: str) -> ClassAd:
    """Only what a request can be made of: tables and lists inside are passed over."""
    ad = ClassAd()
    for name, value in raw.items():
        if isinstance(value, str) and value.startswith(EXPRESSION[0]) and value.endswith(EXPRESSION[1]):
            ad[name] = _expression(value[len(EXPRESSION[0]) : -len(EXPRESSION[1])], name, where)
        elif isinstance(value, bool | int | float | str) and "\0" not in f"{name}{value}":
            ad[name] = value
    return ad


def _expression(text: str, name: str, where: str) -> ExprTree:
    try:
        return ExprTree(text)
    except (ClassAdException, ValueError) as wrong:
        raise BadTrace(f"{where}: {name} is no ClassAd expression: {text[:60]!r}") from wrong


def _number(ad: ClassAd, name: str) -> float | None:
    """None: not there, or no number."""
    value = ad.eval(name) if name in ad else None
    if isinstance(value, bool | Value) or not isinstance(value, int | float):  # Value: undefined or error, an int here
        return None
    return float(value)


def _time(ad: ClassAd, name: str, where: str) -> float:
    """0 where it is not there."""
    return seconds(_number(ad, name) or 0.0, where, name)


def _between(ad: ClassAd, where: str) -> float:
    began = _time(ad, "JobCurrentStartDate", where) or _time(ad, "JobStartDate", where)
    return _time(ad, "CompletionDate", where) - began


def _request(ad: ClassAd, name: str, default: int) -> float | None:
    """None: it is there, and no number."""
    found = _number(ad, name) if name in ad else float(default)
    return None if found is None or math.isnan(found) else found
