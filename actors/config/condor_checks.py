"""What a cloud of kind condor-jobs may say: whose schedd takes the pilots, whose jobs they are, which keys are ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import classad2

from actors.config.mistakes import did_you_mean
from actors.config.toml_lines import Path

Raw = Mapping[str, Any]
Found = tuple[Path, str, str]
OURS = {
    "environment": "set `environment`, a table",
    "env": "set `environment`, a table",
    "executable": "set `executable`",
    "arguments": "set `arguments`",
    "x509userproxy": "set `proxy`",
    "leave_in_queue": "set `kept_s`",
    "queue": "the factory decides how many",
}


def condor_jobs_cloud(name: str, cloud: Raw, raw: Raw, path: Path) -> Iterator[Found]:
    """(where, what is wrong, hint) for a cloud's raw table. `raw`: the whole configuration."""
    pools, pool = _tables(raw, "pools"), cloud.get("pool")
    settings = pools.get(pool) if isinstance(pool, str) else None
    if isinstance(pool, str) and settings is None:
        yield (
            (*path, "pool"),
            f"there is no pool {pool!r}",
            did_you_mean(pool, pools) or "no [pools.NAME] is in the file",
        )
    elif isinstance(settings, dict) and settings.get("kind", "htcondor") != "htcondor":
        yield (
            (*path, "pool"),
            f"pool {pool!r} is of kind {settings.get('kind')!r}, which has no schedd",
            "name an htcondor pool",
        )
    submit = cloud.get("submit")
    for key, value in submit.items() if isinstance(submit, dict) else ():
        yield from _submit((*path, "submit", key), str(key), value)
    yield from _feeds(name, cloud, raw, (*path, "feeds"))


def _submit(path: Path, key: str, value: Any) -> Iterator[Found]:
    bare = key.lower().removeprefix("+").removeprefix("my.")
    if key.lower() in OURS:
        yield path, "this key is the factory's own", OURS[key.lower()]
    elif bare.startswith("apf") or bare == "match_apf_queue":
        hint = "set `match_apf_queue`" if bare == "match_apf_queue" else "choose a name that does not begin with Apf"
        yield path, "this attribute is the factory's own", hint
    elif "\n" in f"{key}{value}":
        yield path, "a line break, which would begin another key", "write one line"


def _feeds(name: str, cloud: Raw, raw: Raw, path: Path) -> Iterator[Found]:
    """The queue that it feeds is there, looks at the schedd that the pilots are in, and takes them for its jobs."""
    fed, queues = cloud.get("feeds"), _tables(raw, "queues")
    if not isinstance(fed, str):
        return
    queue = queues.get(fed)
    if not isinstance(queue, dict):
        yield path, f"there is no queue {fed!r}", did_you_mean(fed, queues) or "no [queues.NAME] is in the file"
        return
    users = [one for one, settings in queues.items() if _uses(settings, name)]
    if fed in users:
        yield (
            path,
            f"queue {fed!r} would feed itself",
            "name the queue whose jobs the pilots are, and not one that sends them",
        )
    if queue.get("pool") != cloud.get("pool"):
        said = f"queue {fed!r} looks at pool {queue.get('pool')!r}, and the pilots are in pool {cloud.get('pool')!r}"
        yield path, said, "let both name the same pool"
    for marked in [str(cloud["match_apf_queue"])] if cloud.get("match_apf_queue") else users:
        if _never(str(queue.get("jobs", "")), marked):
            said = f"pilots with MATCH_APF_QUEUE = {marked!r} are no jobs of queue {fed!r}: {queue.get('jobs')}"
            yield path, said, 'let its jobs be MATCH_APF_QUEUE == "..." with that name, or set match_apf_queue'


def _uses(queue: Any, cloud: str) -> bool:
    tiers = queue.get("cascade") if isinstance(queue, dict) else None
    return (
        any(isinstance(tier, list) and cloud in tier for tier in tiers if isinstance(tiers, list)) if tiers else False
    )


def _never(jobs: str, marked: str) -> bool:
    """Whether the expression is plainly false for such a pilot; what it does not know of one decides nothing."""
    try:
        ad = classad2.ClassAd()
        ad["MATCH_APF_QUEUE"] = marked
        return classad2.ExprTree(f"({jobs})").eval(ad) is False
    except (classad2.ClassAdException, ValueError, TypeError):
        return False


def _tables(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}
