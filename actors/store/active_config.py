"""The active configuration: what all hosts of a factory serve, with a generation that grows.

Shared are the pools, accounts, clouds, queues and the rhythm of ownership; where Redis is and what one host may use
stay the host's own. A host whose file says something else than the active generation holds nothing, until its file is
applied or another generation becomes active, which it then serves without a restart.

Where one host alone has its Redis, its file is the active configuration as soon as it starts, as long as nobody applied
another one: what a person applied is replaced by what a person applies, never by an old file and a restart.

A cloud that a new generation leaves out is not forgotten while VMs run there: it stays as *retired*, with room for
none, until what runs there has been drained and ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from actors.config.changes import changes
from actors.config.schema import Config
from broker.rows.document import Document, Edition

SHARED = ("pools", "accounts", "clouds", "queues")
RHYTHM = ("ttl_s", "tick_s")
NAME = "config"


class NotServable(Exception):
    """The active configuration cannot be read by this version: upgrade this host."""


def shared(config: Config) -> bytes:
    """The shared part as canonical JSON, without what is left at its default. Secrets in it are references."""
    plain = config.model_dump(mode="json", exclude_defaults=True, include=set(SHARED))
    for section in ("pools", "accounts", "clouds"):
        for name, found in getattr(config, section).items():
            plain[section][name]["kind"] = found.kind  # it says how to read the rest
    rhythm = config.factory.model_dump(mode="json", include=set(RHYTHM))
    return json.dumps({**plain, "rhythm": rhythm}, sort_keys=True, indent=1).encode()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]


def with_shared(own: Config, body: bytes) -> Config:
    """The host's own [factory] with the shared part of `body`. Raises NotServable."""
    try:
        plain = json.loads(body)
        rhythm = plain.pop("rhythm")
        factory = own.factory.model_dump(mode="json") | rhythm
        return Config.model_validate({"factory": factory, **plain})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError) as wrong:
        raise NotServable(f"the active configuration is not one that this version knows: {wrong}") from wrong


def is_ours(edition: Edition) -> bool:
    """Whether it is a configuration of any version of ours at all."""
    try:
        plain = json.loads(edition.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and isinstance(plain.get("rhythm"), dict)


def clouds_of(edition: Edition | None) -> list[str]:
    """The names of the clouds in the active configuration, even if this version cannot read the rest."""
    try:
        return list(json.loads(edition.body)["clouds"]) if edition else []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def keeping_used_clouds(config: Config, active: Config, used: Iterable[str]) -> Config:
    """`config` with those clouds of `active` that it leaves out and that still have VMs (`used`), as retired."""
    left = {name: active.clouds[name] for name in used if name in active.clouds and name not in config.clouds}
    if not left:
        return config
    retired = {name: cloud.model_copy(update={"retired": True, "max_vms": 0}) for name, cloud in left.items()}
    named = [cloud.account for cloud in left.values() if cloud.account]
    accounts = {name: active.accounts[name] for name in named}
    update: dict[str, Any] = {"clouds": config.clouds | retired, "accounts": accounts | config.accounts}
    return config.model_copy(update=update)


def chosen_by_a_person(edition: Edition) -> bool:
    """Whether `apf apply` made it active, and not a host from its own file: hosts sign with their incarnation."""
    return "#" not in edition.by


def says_the_same(config: Config, edition: Edition) -> bool:
    """Whether a host's file is the active configuration, but for clouds that it leaves out and are retired there."""
    try:
        active = with_shared(config, edition.body)
    except NotServable:
        return False
    retired = [name for name, cloud in active.clouds.items() if cloud.retired]
    return shared(keeping_used_clouds(config, active, retired)) == shared(active)


def activate(document: Document, config: Config, used: Iterable[str], by: str) -> tuple[int, list[str]]:
    """Make `config` the active one; returns its generation and what changed. No change, no new generation.

    Raises StaleRow when somebody else changed it meanwhile, Unreachable.
    """
    edition = document.read()
    body = planned(edition, config, used)
    changed = changes(edition.body if edition else b"", body)
    if edition and not changed:
        return edition.number, []
    return document.replace(body, edition.number if edition else 0, by), changed


def planned(edition: Edition | None, config: Config, used: Iterable[str]) -> bytes:
    """What would become active."""
    if edition is None:
        return shared(config)
    try:
        active = with_shared(config, edition.body)
    except NotServable:
        return shared(config)
    return shared(keeping_used_clouds(config, active, used))
