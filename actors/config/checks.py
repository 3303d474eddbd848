"""What no single key shows: names that must fit together, expressions that must parse, limits that depend on others.

The checks run on the raw tables, so that they find their mistakes even while others stand in the way. Whatever has the
wrong type is passed over: the schema has said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import classad2

from actors.config.condor_checks import condor_jobs_cloud
from actors.config.ec2 import ec2_cloud
from actors.config.mistakes import Mistake, did_you_mean, place_of, shown
from actors.config.openstack import openstack_account, openstack_cloud
from actors.config.schema import AnyCloud, Factory, cloud_kind, pool_kind
from actors.config.script import script_cloud
from actors.config.shapes import Expanded, mistakes_in_shapes
from actors.config.toml_lines import Path, line_of
from actors.fleet.max_life import STAGGER
from actors.policies.steps import STATUS, STEPS, asks

Raw = Mapping[str, Any]
CHECKS = {"ec2": ec2_cloud, "openstack": openstack_cloud, "script": script_cloud}
PILOTS = (
    "send pilots there: a cloud of kind condor-jobs; and make a queue of its own for the workers on which these run"
)


def checks(raw: Raw, whole: Expanded, places: Mapping[Path, int]) -> Iterator[Mistake]:
    """All mistakes that the schema cannot see. `whole`: `raw` with a cloud for each shape."""
    of_clouds = ((whole.origin(path), said, hint) for path, said, hint in _clouds(whole.raw))
    for path, said, hint in (
        *_factory(raw),
        *mistakes_in_shapes(raw),
        *_accounts(raw),
        *of_clouds,
        *_queues(raw, whole),
    ):
        yield Mistake(line=line_of(places, path), place=place_of(path), said=said, hint=hint)


Found = tuple[Path, str, str]


def _table(raw: Any, *names: str) -> Raw:
    for name in names:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def _factory(raw: Raw) -> Iterator[Found]:
    factory = _table(raw, "factory")
    url = factory.get("redis")
    if isinstance(url, str) and re.match(r"[a-z]+:/*[^@]*:[^@]+@", url):
        yield (
            ("factory", "redis"),
            "a password in plain",
            'leave it out of the URL, and set redis_password = "env:NAME"',
        )
    elif isinstance(url, str):
        yield from _address(url.strip())
    tick_s = factory.get("tick_s", Factory.model_fields["tick_s"].default)
    ttl_s = factory.get("ttl_s", Factory.model_fields["ttl_s"].default)
    if isinstance(tick_s, int | float) and isinstance(ttl_s, int | float) and tick_s > ttl_s / 3:
        at = "tick_s" if "tick_s" in factory else "ttl_s"
        yield (
            ("factory", at),
            f"tick_s {tick_s:g} is more than a third of ttl_s {ttl_s:g}",
            (f"tick_s = {ttl_s / 3:g} or less, or ttl_s = {3 * tick_s:g} or more: one lost beat must not lose a post"),
        )


def _address(url: str) -> Iterator[Found]:
    """What the schema's pattern lets pass and no client could use. Other schemes are the pattern's to refuse."""
    from broker.connection.address import Address  # only here: it brings the client along
    from broker.errors import BadUrl

    if not re.match(r"(redis|sentinel)s?://", url):
        return
    try:
        Address.parse(url)
    except (BadUrl, ValueError) as wrong:
        yield ("factory", "redis"), str(wrong), ""


def _accounts(raw: Raw) -> Iterator[Found]:
    for name, account in _table(raw, "accounts").items():
        if isinstance(account, dict) and account.get("kind") == "openstack":
            yield from openstack_account(account, ("accounts", name))


def _account(path: Path, cloud: Raw, accounts: Raw) -> Iterator[Found]:
    """Whose credentials are asked for has to be of the cloud's kind; limits alone may be of any."""
    yield from _named(path, "account", cloud["account"], accounts)
    kind, theirs = cloud.get("kind", "ec2"), _table(accounts, str(cloud["account"])).get("kind", "ec2")
    if cloud["account"] in accounts and kind in ("ec2", "openstack") and theirs != kind:
        said = f"the account {cloud['account']!r} is of kind {theirs!r}, the cloud of kind {kind!r}"
        yield path, said, f"an account of kind {kind!r}"


def _clouds(raw: Raw) -> Iterator[Found]:
    for name, cloud in _table(raw, "clouds").items():
        path: Path = ("clouds", name)
        if not isinstance(cloud, dict):
            continue
        if "account" in cloud:
            yield from _account((*path, "account"), cloud, _table(raw, "accounts"))
        if cloud.get("kind", "ec2") in CHECKS:
            yield from CHECKS[cloud.get("kind", "ec2")](cloud, path)
        if cloud.get("kind") == "condor-jobs":
            yield from condor_jobs_cloud(name, cloud, raw, path)
        yield from _life(path, cloud)
        if cloud.get("cvmfs") and not cloud.get("cvmfs_proxy"):
            yield (*path, "cvmfs"), "cvmfs without cvmfs_proxy", 'the squid of your site; "DIRECT" for a few VMs'
        for key, text in _table(cloud, "attributes").items():
            yield from _expression((*path, "attributes", key), text)


def _life(path: Path, cloud: Raw) -> Iterator[Found]:
    """A VM that is of no use when it has booted would be bought again and again."""
    keys = ("max_life_s", "min_useful_s", "boot_deadline_s")
    life, useful, boot = (cloud.get(key, AnyCloud.model_fields[key].default) for key in keys)
    if not all(isinstance(one, int | float) for one in (life, useful, boot)):
        return
    least = (useful + boot) / (1 - STAGGER)
    if life <= least:
        said = f"after min_useful_s {useful:g} and boot_deadline_s {boot:g} nothing may be left of {life:g}"
        yield (
            (*path, "max_life_s"),
            said,
            f"more than {least:.0f}, as VMs go up to a tenth earlier; or lower the others",
        )


def _queues(raw: Raw, whole: Expanded) -> Iterator[Found]:
    for name, queue in _table(raw, "queues").items():
        path: Path = ("queues", name)
        if not isinstance(queue, dict):
            continue
        if "pool" in queue:
            yield from _named((*path, "pool"), "pool", queue["pool"], _table(raw, "pools"))
        for key in ("jobs", "start"):
            if key in queue:
                yield from _expression((*path, key), queue[key])
        tiers = queue.get("cascade")
        for key in ("tier_limits", "drain_deadlines"):
            of_tiers = queue.get(key)
            if isinstance(tiers, list) and isinstance(of_tiers, list) and len(of_tiers) > len(tiers):
                what = key.split("_")[1]
                yield (*path, key), f"{len(of_tiers)} {what} for {len(tiers)} tiers", "one for each tier at most"
        yield from _ahead((*path, "ahead", "tiers"), queue.get("ahead"), tiers)
        clouds = {**dict.fromkeys(whole.shapes), **_table(whole.raw, "clouds")}
        yield from _cascade((*path, "cascade"), queue.get("cascade"), clouds, whole.shapes)
        yield from _source(path, queue, _table(raw, "pools", str(queue.get("pool"))), clouds)


def _ahead(path: Path, ahead: Any, tiers: Any) -> Iterator[Found]:
    named = ahead.get("tiers") if isinstance(ahead, dict) else None
    if not isinstance(named, list) or not isinstance(tiers, list):
        return
    for at, number in enumerate(named):
        if isinstance(number, int) and number > len(tiers):
            yield (*path, at), f"there is no tier {number}", f"the cascade has {len(tiers)}, and 1 is the first"


def _source(path: Path, queue: Raw, pool: Raw, clouds: Raw) -> Iterator[Found]:
    """What the queue's pool cannot do by its nature."""
    kind = str(pool.get("kind", "htcondor"))
    settings = pool_kind(kind) if pool else None
    if settings is None:
        return
    tiers, steps = queue.get("cascade"), queue.get("steps")
    for tier, names in enumerate(tiers if isinstance(tiers, list) and not settings.has_startds else []):
        for at, name in enumerate(names if isinstance(names, list) else []):
            cloud = _table(clouds, name) if isinstance(name, str) else {}
            made = cloud_kind(str(cloud.get("kind", "ec2"))) if cloud else None
            if made and made.joins_pool:
                said = f"workers of {name!r} have to join a pool, and a {kind} pool has none: it only says what waits"
                yield (*path, "cascade", tier, at), said, PILOTS
    for at, one in enumerate(steps if isinstance(steps, list) and not settings.tells_status else []):
        name = one.get("step") if isinstance(one, dict) else None
        if STATUS in asks(STEPS.get(str(name))):
            said = f"step {name!r} asks for the site's status, which a pool of kind {kind!r} does not tell"
            yield (*path, "steps", at), said, "leave it out"


def _named(path: Path, what: str, name: Any, known: Raw) -> Iterator[Found]:
    if isinstance(name, str) and name not in known:
        yield path, f"there is no {what} {name!r}", did_you_mean(name, known) or f"no [{what}s.NAME] is in the file"


def _cascade(path: Path, cascade: Any, clouds: Raw, shapes: Mapping[str, tuple[str, ...]]) -> Iterator[Found]:
    if not isinstance(cascade, list):
        return
    if not cascade:
        yield path, "empty", 'a list of tiers, each a list of clouds: [["private"], ["spot"]]'
    first: dict[str, Path] = {}
    for tier, names in enumerate(cascade):
        if isinstance(names, str):
            yield (*path, tier), f"seen {names!r}; allowed: a tier, which is a list of clouds", f'write ["{names}"]'
        elif names == []:
            yield (*path, tier), "an empty tier", "name a cloud in it or leave it out"
        for at, name in enumerate(names if isinstance(names, list) else []):
            here: Path = (*path, tier, at)
            yield from _named(here, "cloud", name, clouds)
            for one in shapes.get(name, (name,)) if isinstance(name, str) else ():
                if one in first:
                    what = f"{one!r}" if one == name else f"{one!r}, a shape of {name!r},"
                    yield here, f"{what} is in this cascade already, at {place_of(first[one])}", "name each cloud once"
                first.setdefault(one, here)


def _expression(path: Path, text: Any) -> Iterator[Found]:
    """`text` must be one whole ClassAd expression. The parentheses find what a parser would leave unread."""
    if not isinstance(text, str) or not text.strip():
        return
    try:
        classad2.ExprTree(f"({text})")
    except (classad2.ClassAdException, ValueError):
        lone = re.search(r"(?<![=!<>?])=(?![=?!])", text)
        hint = "to compare write ==, one = assigns" if lone else _balance(text)
        yield path, f"not a ClassAd expression: {shown(path, text)}", hint


def _balance(text: str) -> str:
    if text.count('"') % 2:
        return 'a " is not closed'
    if text.count("(") != text.count(")"):
        return f"{text.count('(')} ( and {text.count(')')} )"
    return ""
