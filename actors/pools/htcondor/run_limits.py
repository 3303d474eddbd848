"""How many more jobs a pool lets run, beside what its slots are: limits of schedds, submitters, groups and of what jobs
share. Runs in a child.

Idle jobs beyond such a limit are offered to nobody, or matched by nobody, however many slots come. So they are no
demand, and are said apart. What can be seen of the limits:

- a schedd's MAX_JOBS_RUNNING, in its ad; how many of its jobs run it is asked itself;
- a submitter's ceiling (`condor_userprio -setceil`), and an accounting group's quota where that is a number of cores
  and no surplus may be had, with what they use: the negotiator tells it of each in the collector;
- concurrency limits: the negotiator's configuration says them, where we may read it. Of what uses them only the running
  jobs of the schedd that is read are counted.

Where a limit is not seen, or its use is not, demand is over-counted: never is a job left waiting for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import htcondor2
from classad2 import ClassAd, Value

from actors.fleet.number_of import number_of
from actors.pools.htcondor.cost import has
from actors.pools.htcondor.errors import asked_twice, explained
from actors.pools.htcondor.rationed import Cap, Share
from actors.pools.htcondor.startds import text_of

Limits = tuple[dict[str, tuple[int, int]], dict[str, Cap], dict[str, float]]
"""By schedd, jobs that may run, and that ran when it told last; by submitter or group (in lower case, a group with a
dot at its end), the cap; and the concurrency limits by name, in lower case."""

NO_LIMITS: Limits = ({}, {}, {})
SUBMITTER = ("AccountingGroup", "User")  # of a job
SHARED = "ConcurrencyLimits"
RUNNERS = ("MaxJobsRunning", "TotalRunningJobs")  # of a schedd's ad
RUNNING = (
    "(JobStatus == 2 || JobStatus == 6 || JobStatus == 7) && JobUniverse != 7 && JobUniverse != 9 && JobUniverse != 12"
)
_QUOTA = 'IsAccountingGroup =?= true && ConfigQuota > 1 && SurplusPolicy == "no"'  # up to 1 it is a part of the pool
_ACCOUNTS = f'MyType == "Accounting" && (Ceiling >= 0 || ({_QUOTA}))'


def known_to(collector: Any, schedds: Iterable[ClassAd]) -> Limits:
    """What is known now, without the concurrency limits. `schedds`: their ads, with RUNNERS."""
    accounts: Sequence[ClassAd] = ()
    with suppress(htcondor2.HTCondorException):
        accounts = asked_twice(lambda: collector.query(htcondor2.AdType.Any, _ACCOUNTS))
    most, now = RUNNERS
    running = {text_of(ad, "Name"): (int(number(ad, most)), int(number(ad, now))) for ad in schedds}
    return {name: one for name, one in running.items() if one[0]}, dict(filter(None, map(_account, accounts))), {}


def _account(ad: ClassAd) -> tuple[str, Cap] | None:
    name = text_of(ad, "Name")
    used = max(number(ad, "WeightedResourcesUsed"), number(ad, "HierWeightedResourcesUsed"))
    group = ad.get("IsAccountingGroup") is True
    most = number(ad, "ConfigQuota" if group else "Ceiling")
    if not name or name == "<none>":
        return None
    how = "the quota of its group" if group else "its ceiling (condor_userprio)"
    key = f"{name}.".lower() if group else name.lower()
    return key, (
        key,
        max(0.0, most - used),
        f"{name} may use {number_of(most, 'core')} in all, by {how}, and others of it run",
    )


def shared_limits() -> Iterator[dict[str, float]]:
    """Once, the concurrency limits of the negotiator's configuration. It may be frozen: ask it on the side."""
    with explained("the negotiator was asked for its concurrency limits"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        config = htcondor2.RemoteParam(collector.locate(htcondor2.DaemonType.Negotiator))
        found: dict[str, float] = {}
        for name in [str(key) for key in config.keys()]:  # noqa: SIM118 - it is no mapping in full
            key = name.lower()
            if key.endswith("_limit") or key.startswith("concurrency_limit_default"):
                with suppress(ValueError, KeyError):
                    found[key] = float(config[name])
    yield found


def number(ad: ClassAd, name: str) -> float:
    """0 where it is none. Undefined and error are integers in Python (Value is an IntEnum)."""
    try:
        value = ad.get(name)
    except ValueError:
        return 0.0
    if isinstance(value, bool | Value) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return 0.0
    return float(value)


class Caps:
    """Of one schedd: which limits its jobs are under, and what is left of each."""

    def __init__(self, schedd: str, limits: Limits) -> None:
        running, self._accounts, self._config = limits
        self._schedd, (self._most, self._ran) = schedd, running.get(schedd, (0, 0))
        self._left: dict[str, Cap] = {}
        self.asked = (SHARED, *(SUBMITTER if self._accounts else ()))

    def of(self, ad: ClassAd) -> tuple[Share, ...]:
        """What one of these jobs takes of limits; the schedd's own is not among them."""
        shares = [*self._of_submitter(ad), *self._of_shared(ad)] if any(has(ad, name) for name in self.asked) else []
        return tuple(shares)

    def _of_submitter(self, ad: ClassAd) -> Iterator[Share]:
        user, group = (_text(ad, name).lower() for name in reversed(SUBMITTER))
        name = f"{group}@{user.partition('@')[2]}" if group else user
        for key in self._accounts:
            if key == name or (key.endswith(".") and group.startswith(key)):
                yield key, 0.0

    def _of_shared(self, ad: ClassAd) -> Iterator[Share]:
        for one in _text(ad, SHARED).lower().split(","):
            name, _, amount = one.strip().partition(":")
            with suppress(ValueError):
                if name and self._most_of(name) is not None:
                    yield f"{SHARED} {name}", float(amount or 1)

    def _most_of(self, name: str) -> float | None:
        group = name.partition(".")[0] if "." in name else ""
        keys = (f"{name}_limit", f"concurrency_limit_default_{group}" if group else "", "concurrency_limit_default")
        return next((self._config[key] for key in keys if key in self._config), None)

    def left(self, schedd: Any, used: Mapping[str, float], idle: int) -> dict[str, Cap]:
        """By what is limited. `used`: of what jobs share, by its running jobs that were read. The schedd is asked only
        where `idle` jobs beside those that ran when it told last may be too many.
        """
        found = dict(self._accounts)
        for key, n in used.items():
            name = key.removeprefix(f"{SHARED} ")
            most = self._most_of(name) if key != name else None
            if most is not None:
                found[key] = (key, max(0.0, most - n), f"the pool lets {most:g} of {name!r} be used ({SHARED})")
        if self._most and idle and self._ran + idle > self._most:
            jobs = number_of(self._most, "job")
            why = f"their schedd {self._schedd} runs at most {jobs} (MAX_JOBS_RUNNING), and is there"
            found[""] = ("", max(0.0, self._most - _running(schedd)), why)
        return found


def _running(schedd: Any) -> int:
    groups = asked_twice(lambda: schedd.query(RUNNING, ["JobStatus", "JobUniverse"], opts=htcondor2.QueryOpt.GroupBy))
    return sum(int(ad.get("JobCount", 0)) for ad in groups)


def _text(ad: ClassAd, name: str) -> str:
    try:
        value = ad.eval(name) if has(ad, name) else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def sum_of(shares: Iterable[tuple[Iterable[Share], int]]) -> dict[str, float]:
    """What running jobs use of what they share."""
    used: dict[str, float] = {}
    for of_job, running in shares:
        for key, amount in of_job:
            if key.startswith(SHARED):
                used[key] = used.get(key, 0.0) + amount * running
    return used
