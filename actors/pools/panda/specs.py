"""What is known of PanDA's sites (its queues): how many cores a multi-core job takes, how much memory, and the status.

From PanDA's own site specs, or from JSON as CRIC writes it: a table by site, whose keys are spelled a little otherwise
(`coreCount`, `corecount`). They change seldom: the last good ones are used for a day. What is said of a site and cannot
be one is not known of it, and noted; the other sites' stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.policies.steps import OFFLINE
from actors.pools.port import PoolAway

KEPT_S = 86_400.0
KNOWN = ("online", "brokeroff", "test", *OFFLINE)  # of several sites' statuses the first of these is their queue's
MULTICORE = "MCORE"  # what the names of resource types of multi-core jobs begin with
MOST_CORES, MOST_MIB = 4096, 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSpec:
    """0 and the empty text: not known. `memory_mib`: of `cores` together."""

    cores: int = 0
    memory_mib: int = 0
    status: str = ""

    @property
    def offline(self) -> bool:
        return self.status in OFFLINE

    def memory_of(self, cpus: int) -> int:
        """Of a job with so many cores."""
        return math.ceil(self.memory_mib * cpus / max(1, self.cores)) if self.memory_mib else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    sites: Mapping[str, SiteSpec] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, site: str) -> SiteSpec:
        return self.sites.get(site, UNKNOWN)


UNKNOWN = SiteSpec()
NO_SPECS = Specs()


def read_specs(data: Any) -> Specs:
    """Raises PoolAway where it is no table of sites. One without any is not known: PanDA says so, and that it
    succeeded, while its database is down.
    """
    if not isinstance(data, dict) or not data:
        seen = "empty" if data in ({}, []) else f"a {type(data).__name__}"
        raise PoolAway(f"the specs of sites are {seen}; allowed: a table by site")
    sites: dict[str, SiteSpec] = {}
    notes: list[str] = []
    for name, said in data.items():
        if isinstance(said, dict):
            known = {str(key).lower(): value for key, value in said.items()}
            site = str(known.get("sitename") or name)  # PanDA's own are by nickname, which not all have
            sites[site], found = _site(known)
            notes += [f"spec of {site[:80]}: {one}" for one in found]
        else:
            notes.append(f"spec of {name[:80]}: seen {str(said)[:40]!r}; allowed: a table")
    return Specs(sites=sites, notes=tuple(notes[:20]))


def _site(said: Mapping[str, Any]) -> tuple[SiteSpec, list[str]]:
    notes: list[str] = []
    cores, memory = (_amount(said, *one, notes) for one in (("corecount", MOST_CORES), ("maxrss", MOST_MIB)))
    status = said.get("status")
    text = status.strip().lower() if isinstance(status, str) else ""
    if text and text not in KNOWN:
        notes.append(f"status {text[:40]!r} is not known; jobs there count (known: {', '.join(KNOWN)})")
    return SiteSpec(cores=cores, memory_mib=memory, status=text[:40]), notes


def _amount(said: Mapping[str, Any], key: str, most: int, notes: list[str]) -> int:
    """Some sites' are texts of digits. Nothing, and 0, is not known."""
    value = said.get(key)
    if value in (None, "", 0):
        return 0
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most:
        return int(text)
    notes.append(f"{key} is {str(value)[:40]!r}; allowed: a whole number from 0 to {most}")
    return 0


def status_of(sites: Iterable[str], specs: Specs) -> str:
    """Of a queue with these sites: that of the one which takes the most; empty: not known."""
    found = {specs.of(site).status for site in sites} - {""}
    return next((one for one in KNOWN if one in found), min(found, default=""))
