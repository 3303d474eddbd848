"""`make test-panda`: our source of demand, against a real panda-server. Each line is one thing that was seen.

With `--store` the answers are kept as files, which the suite reads (tests/actors/pools/panda/answers).
"""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

from actors.config.schema import PandaPool
from actors.fleet.observations import JobsSeen
from actors.pools.panda.source import Panda
from actors.pools.port import PoolAway, PoolDenied
from tests.panda.server import NoPanda, RealPanda

ANSWERS = Path(__file__).parents[1] / "actors/pools/panda/answers"
QUEUES = (
    ("cern", 'ComputingSite == "CERN"'),
    ("bnl", 'ComputingSite == "BNL"'),
    ("triumf", 'ComputingSite == "TRIUMF"'),
)
CALLS = {
    "detailed": "v1/statistics/active_job_detailed_stats_by_site",
    "by-site": "v1/statistics/active_job_stats_by_site",
    "specs": "v1/metaconfig/get_site_specs?type=all",
    "forbidden": "latest/statistics/active_job_stats_by_site",
}


def source(panda: RealPanda, **config: object) -> Panda:
    keys = {"kind": "panda", "url": panda.url, "ca": str(panda.ca), "proxy": str(panda.ca), **config}
    return Panda("wms", PandaPool.model_validate(keys), QUEUES)


def counted(seen: JobsSeen) -> dict[str, tuple[int, int]]:
    """By queue: idle and running jobs that are demand."""
    return {
        queue: (
            sum(one.idle for one in seen.classes if one.queue == queue and not one.apart),
            sum(one.running for one in seen.classes if one.queue == queue),
        )
        for queue, _ in QUEUES
    }


def told(what: str, right: bool) -> bool:
    print(f"{'passed' if right else 'FAILED'}  {what}", flush=True)  # noqa: T201
    return right


def unknown(made: Panda, kind: type[Exception] = PoolAway) -> bool:
    try:
        made.jobs(1.0)
    except kind as said:
        print(f"        {said}")  # noqa: T201
        return True
    return False


def trial(panda: RealPanda, store: bool) -> list[bool]:
    found = [told("an empty PanDA is unknown", unknown(source(panda)))]
    found.append(told("and zero where that is said", counted(source(panda, empty="zero").jobs(1.0))["cern"] == (0, 0)))
    keep(panda, "empty", CALLS["detailed"], store)
    keep(panda, "no-specs", CALLS["specs"], store)
    panda.sql("rows.sql")
    made = source(panda)
    seen = made.jobs(1.0)
    found.append(told("activated jobs wait, sent and running ones run", counted(seen)["cern"] == (16, 4)))
    sizes = {one.request.cpus: one.request.memory_mib for one in seen.classes if one.queue == "cern"}
    found.append(told("multi-core jobs have their site's cores and memory", sizes == {1: 2000, 8: 16000}))
    statuses = [seen.of(queue).status for queue, _ in QUEUES]
    found.append(told("each site's status is told", statuses == ["online", "test", "offline"]))
    found.append(told("a site that is offline has no demand", counted(seen)["triumf"] == (0, 0)))
    plain = source(panda, statistics="by-site").jobs(1.0)
    found.append(told("the plain statistics say as much", counted(plain)["cern"] == (16, 4)))
    for name, call in CALLS.items():
        keep(panda, name, call, store)
    keep(panda, "repr", CALLS["detailed"], store, accept="*/*")
    found.append(told("what it forbids is a refusal", unknown(source(panda, url=f"{panda.url}/more"), PoolDenied)))
    panda.stop_database()
    found.append(told("a PanDA whose database is down is unknown", unknown(made)))
    panda.start_database()
    found.append(told("and known when it is back", until_known(panda)))
    return found


def until_known(panda: RealPanda) -> bool:
    """It notices at a query that its connection is lost, and has a new one at the next."""
    for _ in range(5):
        try:
            return counted(source(panda).jobs(1.0))["cern"] == (16, 4)
        except PoolAway:
            continue
    return False


def keep(panda: RealPanda, name: str, call: str, store: bool, accept: str = "application/json") -> None:
    if not store:
        return
    context = ssl.create_default_context(cafile=panda.ca)
    asked = urllib.request.Request(f"{panda.url}/api/{call}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(asked, context=context) as answer:
            body = answer.read()
    except urllib.error.HTTPError as refused:
        body = refused.read()
    ANSWERS.mkdir(exist_ok=True)
    (ANSWERS / f"{name}.txt").write_bytes(body + b"\n")


def main() -> int:
    try:
        with RealPanda() as panda:
            print(f"panda-server {panda.version} at {panda.url}", flush=True)  # noqa: T201
            found = trial(panda, "--store" in sys.argv)
    except NoPanda as missing:
        print(f"no panda-server: {missing}")  # noqa: T201
        return 1
    print(f"{sum(found)} passed, {len(found) - sum(found)} failed")  # noqa: T201
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
