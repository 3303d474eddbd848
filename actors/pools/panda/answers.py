"""What PanDA answers, read once and strictly: a number that cannot be one spoils its site, never another.

Measured on panda-server 1.0.4:
- It answers JSON only where `Accept` is exactly `application/json`, else Python's repr, as `text/plain` both.
- `{"success": true, "message": "", "data": {SITE: {RESOURCE_TYPE: {LABEL: {STATUS: n}}}}}`; a job without one of these
  is under "null".
- `success: false` with empty data and HTTP 200 is said when the database failed, and just so when there is no job.
- A site or a status that is absent has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from actors.pools.port import PoolAway

MOST = 100_000_000  # jobs of one count: more is no number of jobs
MOST_DAMAGES = 20  # sentences
NOBODY = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteJobs:
    """Jobs of one site that are alike. An empty text: PanDA does not say it. `counts`: by status."""

    site: str
    resource_type: str = ""
    label: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def of(self, statuses: tuple[str, ...]) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """`damages`: by site, what of it cannot be used; of such a site nothing is in `jobs`."""

    jobs: tuple[SiteJobs, ...] = ()
    damages: Mapping[str, str] = field(default_factory=dict)


class NotSaid(PoolAway):
    """PanDA said that it failed, with nothing else: its database is down, or it has no job at all."""


def data_of(body: bytes, what: str) -> Any:
    """The `data` of an answer that succeeded. Raises NotSaid, and PoolAway for what is no answer of PanDA."""
    answer = parsed(body, what)
    success = answer.get("success") if isinstance(answer, dict) else None
    if not isinstance(success, bool):
        raise PoolAway(f"{what} is no answer of PanDA: it has no success: true or false: {_shown(body)}")
    data = answer.get("data")
    if success:
        return data
    said = f"{what}: PanDA says that it failed: {str(answer.get('message'))[:200]!r}"
    raise NotSaid(said) if data in ({}, None) else PoolAway(said)


def parsed(body: bytes, what: str) -> Any:
    """JSON as anybody else would understand it: with no number that is none. Raises PoolAway."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as wrong:
        raise PoolAway(f"{what} is no JSON ({type(wrong).__name__}): {_shown(body)}") from None


def statistics(data: Any, detailed: bool) -> Statistics:
    """Raises PoolAway where it is no table of sites."""
    if not isinstance(data, dict):
        raise PoolAway(f"PanDA's statistics are a {type(data).__name__}, not a table of sites")
    jobs: list[SiteJobs] = []
    damages: dict[str, str] = {}
    for name, said in data.items():
        try:
            jobs += list(_detailed(_name(name), said) if detailed else _plain(_name(name), said))
        except ValueError as wrong:
            damages[_name(name)] = f"{name[:80]}: {wrong}"
    return Statistics(jobs=tuple(jobs), damages=damages)


def _detailed(site: str, said: Any) -> Iterator[SiteJobs]:
    for resource_type, labels in _table(said, "its resource types").items():
        for label, counts in _table(labels, f"labels of {resource_type[:40]}").items():
            yield SiteJobs(
                site=site,
                resource_type=_name(resource_type),
                label=_name(label),
                counts=_counts(counts, f"{resource_type[:40]} {label[:40]}"),
            )


def _plain(site: str, said: Any) -> Iterator[SiteJobs]:
    yield SiteJobs(site=site, counts=_counts(said, "jobs"))


def _counts(said: Any, of: str) -> dict[str, int]:
    counts = _table(said, f"counts of {of}")
    for status, n in counts.items():
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST:
            raise ValueError(f"{of}: {status[:40]} is {str(n)[:40]!r}; allowed: a whole number from 0")
    return counts


def _table(said: Any, what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ValueError(f"{what}: seen {str(said)[:40]!r}; allowed: a table")  # noqa: TRY004
    return said


def _name(said: str) -> str:
    return "" if said == NOBODY else said


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _shown(body: bytes) -> str:
    return repr(" ".join(body[:120].decode(errors="replace").split()))
