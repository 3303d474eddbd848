"""What a configuration lacks that is right key by key, and by which no VM is ever started, or less is safe than may be.

`apf check` tells it. It stops no host: a factory that could start nothing yesterday still ends what runs today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import classad2

from actors.config.plugins import step
from actors.config.pools import HttpSource
from actors.config.schema import AnyPool, Config, Ec2Cloud, HtcondorPool, PandaPool, Queue
from actors.config.toml_lines import Path
from actors.policies.steps import STATUS, asks

IMDS = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
STRING = re.compile(r'"(?:\\.|[^"\\])*"')
COMPARED = re.compile(
    r"(?<![\w.])([A-Za-z_][\w.]*)\s*(?:==|!=|=\?=|=!=|\bisnt\b|\bis\b)\s*([A-Za-z_]\w*)(?!\s*[\w.(])", re.IGNORECASE
)
WORDS = frozenset({"true", "false", "undefined", "error"})
_NUMBERS = (
    "clusterid currenttime enteredcurrentstatus imagesize jobprio jobstatus jobuniverse numjobstarts procid qdate"
)
_TEXTS = "acctgroup acctgroupuser cmd concurrencylimits iwd jobbatchname owner user"
_REQUESTS = (
    "deferraltime diskusage maxjobretirementtime memoryusage rank requestcpus requestdisk requestgpus requestmemory"
)
SET = re.compile(r"^[ \t]*(?:STARTD\.|LOCAL\.)?(\w+)[ \t]*=[ \t]*(.*)$", re.MULTILINE)
LET_IN = "jobs that a drain would evict are let in, and no drain is taken while one runs"
GUARDS = {  # by name: what is lost with it, and how it is said so that nothing is
    "START": (LET_IN, "($(START)) && (your condition)"),
    "MAXJOBRETIREMENTTIME": ("with less than years a drain evicts jobs, and is refused", ""),
    "PREEMPT": ("a worker that preempts kills jobs by itself", ""),
    "KILL": ("a worker that kills jobs does so by itself", ""),
    "STARTD_ATTRS": (
        "the startd does not say which instance it is, and never counts as joined",
        "$(STARTD_ATTRS) YOURS",
    ),
}
OF_EVERY_JOB = frozenset(f"{_NUMBERS} {_TEXTS} {_REQUESTS}".split())  # what may be compared with without a scope


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDoubt:
    """`never`: no VM can be started so, or no job found. Else it can, and a person should know."""

    path: Path
    said: str
    hint: str
    never: bool = True


def doubts(config: Config) -> tuple[ConfigDoubt, ...]:
    """In the order of the file's tables."""
    found = (*_redis(config), *_pools(config), *_clouds(config), *_queues(config))
    return tuple(dict.fromkeys(found))  # of a cloud's shapes each says the same


def _redis(config: Config) -> Iterator[ConfigDoubt]:
    url = config.factory.redis
    if url.startswith(("redis://", "sentinel://")):
        away = [host for host in _hosts(url) if not _here(host)]
        if away:
            yield ConfigDoubt(
                path=("factory", "redis"),
                said=f"{', '.join(away)}: passwords and orders go over the network in plain",
                hint=f"{url.partition(':')[0]}s:// speaks TLS"
                if url.startswith("sentinel")
                else "rediss:// speaks TLS",
                never=False,
            )


def _hosts(url: str) -> list[str]:
    """Of `redis://user@host:port/0`, and of several nodes with commas between them."""
    netloc = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return [urlsplit(f"//{one}").hostname or "" for one in netloc.split(",")]


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")


def _pools(config: Config) -> Iterator[ConfigDoubt]:
    needed = {queue.pool for queue in config.queues.values()}
    for name, pool in config.pools.items():
        if isinstance(pool, HtcondorPool) and name in needed and not pool.worker_token_command:
            yield ConfigDoubt(
                path=("pools", name, "worker_token_command"),
                said="missing: no VM is started without a worker's token",
                hint="a command that prints an IDTOKEN that may only advertise",
            )
        yield from _in_plain(name, pool)


def _in_plain(name: str, pool: AnyPool) -> Iterator[ConfigDoubt]:
    if not isinstance(pool, HttpSource) or not (pool.token or getattr(pool, "password", None)):
        return
    where = urlsplit(pool.url)
    if where.scheme == "http" and not _here(where.hostname or ""):
        said = f"{pool.url}: what it is asked with goes over the network in plain"
        yield ConfigDoubt(path=("pools", name, "url"), said=said, hint="https://, if it has it", never=False)


def _clouds(config: Config) -> Iterator[ConfigDoubt]:
    for name, cloud in config.clouds.items():
        path: Path = ("clouds", cloud.family.name if cloud.family else name)
        yield from _worker_config(path, cloud.worker_config)
        if not isinstance(cloud, Ec2Cloud):
            continue
        where = urlsplit(cloud.endpoint or "")
        if where.scheme == "http" and not _here(where.hostname or ""):
            yield ConfigDoubt(
                path=(*path, "endpoint"),
                said=f"{cloud.endpoint}: user-data with workers' tokens goes over the network in plain",
                hint="https://, if the cloud has it",
                never=False,
            )
        yield from _metadata(path, cloud)


def _worker_config(path: Path, lines: str) -> Iterator[ConfigDoubt]:
    """Lines that take away what keeps jobs from being evicted, or what a worker is known by."""
    for name, value in SET.findall(lines):
        harm, keep = GUARDS.get(name.upper(), ("", ""))
        if harm and not (keep and f"$({name})".upper() in value.upper()):
            hint = f"{name} = {keep}" if keep else f"leave {name} out: the worker's own recipe sets it"
            said = f"it sets {name}: {harm}"
            yield ConfigDoubt(path=(*path, "worker_config"), said=said, hint=hint, never=False)


def _metadata(path: Path, cloud: Ec2Cloud) -> Iterator[ConfigDoubt]:
    """What of IMDSv2 a request of the operator's own takes back. Left out is lost too: it replaces the whole."""
    options = cloud.request.get("MetadataOptions")
    if not isinstance(options, dict):
        if not cloud.metadata_options and options is None:
            said = "IMDSv2 is not asked for: only the worker's own firewall keeps jobs from its token"
            hint = "leave it out, unless the cloud refuses it"
            yield ConfigDoubt(path=(*path, "metadata_options"), said=said, hint=hint, never=False)
        return
    if options.get("HttpEndpoint", "enabled") != "enabled":
        said, never = "without the metadata service a worker does not learn its instance id, and never joins", True
        yield ConfigDoubt(
            path=(*path, "request", "MetadataOptions"), said=said, hint="leave HttpEndpoint out", never=never
        )
    weaker = [f"{key} = {options.get(key)!r}" for key, kept in IMDS.items() if options.get(key) != kept]
    if weaker:
        yield ConfigDoubt(
            path=(*path, "request", "MetadataOptions"),
            said=f"{', '.join(weaker)}: jobs may read the worker's token from the metadata service",
            hint='{ HttpTokens = "required", HttpPutResponseHopLimit = 1 } is sent when it is left out',
            never=False,
        )


def _queues(config: Config) -> Iterator[ConfigDoubt]:
    for name, queue in config.queues.items():
        path: Path = ("queues", name)
        for left, right in COMPARED.findall(STRING.sub('""', queue.jobs)):
            if right.lower() not in WORDS | OF_EVERY_JOB:
                yield ConfigDoubt(
                    path=(*path, "jobs"),
                    said=f"{left} is compared with {right} without quotes, which is another attribute of the job",
                    hint=f'write "{right}" in quotes, or MY.{right} where jobs have an attribute of that name',
                )
        yield from _of_source(path, queue, config.pools[queue.pool])
        if said := _constant(queue.jobs):
            yield ConfigDoubt(path=(*path, "jobs"), said=said, hint="a condition over job ads, or true for all")
        if queue.max_vms == 0 or all(config.clouds[one].max_vms == 0 for tier in queue.cascade for one in tier):
            yield ConfigDoubt(path=(*path, "max_vms"), said="it may have no VM anywhere", hint="", never=False)


def _of_source(path: Path, queue: Queue, pool: AnyPool) -> Iterator[ConfigDoubt]:
    """What a queue asks for that its pool, by its nature or as it is set, does not tell."""
    if not pool.has_startds and (queue.min_idle_age_s or queue.count_held):
        key = "min_idle_age_s" if queue.min_idle_age_s else "count_held"
        said = f"a {pool.kind} pool tells neither ages nor held jobs: it changes nothing"
        yield ConfigDoubt(path=(*path, key), said=said, hint="leave it out", never=False)
    if isinstance(pool, PandaPool) and pool.specs == "none":
        for at, one in enumerate(queue.steps):
            if STATUS in asks(step(one)):
                said = f'step {one["step"]!r} asks for the site\'s status, and specs of pool {queue.pool} is "none"'
                yield ConfigDoubt(path=(*path, "steps", at), said=said, hint='specs = "server"', never=False)


def _constant(jobs: str) -> str:
    """Not empty: an expression that asks for nothing of a job, and is not true."""
    if any(name.lower() not in WORDS for name in re.findall(r"[A-Za-z_]\w*", STRING.sub('""', jobs))):
        return ""
    value = classad2.ExprTree(f"({jobs})").eval()
    return "" if value is True else f"it is {value!r} for every job: none is ever its own"
