"""`apf owners`: who holds which post since when, which hosts there are, and which configuration they serve.

The leases say who holds a post, the hosts' beats who is there. A host that fell silent is shown until it is forgotten
(a day), unless its successor is up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.console.opened import edition_of, served, store
from actors.console.status_model import StatusPart
from broker.posts.hosts import FORGET_S, Live
from broker.posts.leases import Owner


class HostOwning(StatusPart):
    """One `apf run`. `generation`: of the configuration that it serves; None: it serves none and holds nothing."""

    name: str
    alive: bool
    beat_age_s: float
    version: str
    started_at: float
    takes: tuple[str, ...]  # patterns of the posts that it takes
    declines: tuple[str, ...]  # posts that it leaves to others for a while
    holds: int
    generation: int | None


class PostOwning(StatusPart):
    """A post; `holder` is empty when nobody holds it, `since_at` is Redis time in seconds."""

    post: str
    holder: str
    fence: int
    since_at: float
    ends_in_s: float  # if it is not renewed


class Owners(StatusPart):
    """`generation` is that of the active configuration, 0 when there is none; `unowned` names the free posts."""

    shape: Literal[1] = 1
    factory: str
    at: float
    generation: int
    generation_by: str
    generation_at: float
    hosts: tuple[HostOwning, ...]
    posts: tuple[PostOwning, ...]
    unowned: tuple[str, ...]


def read(config: Config) -> Owners:
    """Raises NotRunning, NoSecret, Unreachable."""
    with store(config) as rows:
        edition = edition_of(rows)
        owners = {owner.post: owner for owner in rows.leases.owners()}
        lives = rows.hosts.live(within_s=FORGET_S)
    known = posts_of(served(config, edition))
    others = [post for post, owner in owners.items() if owner.holder and post not in known]
    posts = tuple(_post(post, owners.get(post)) for post in (*known, *others))
    holds = Counter(post.holder for post in posts)
    return Owners(
        factory=config.factory.known_as,
        at=rows.now,
        generation=edition.number if edition else 0,
        generation_by=edition.by if edition else "",
        generation_at=edition.at if edition else 0.0,
        hosts=tuple(_hosts(lives, holds, config.factory.ttl_s)),
        posts=posts,
        unowned=tuple(post.post for post in posts if not post.holder),
    )


def screen(owners: Owners) -> RenderableType:
    """What is wrong first, then hosts, then posts."""
    return Group(*_wrong(owners), _generation(owners), _hosts_shown(owners), _posts_shown(owners))


def _post(post: str, owner: Owner | None) -> PostOwning:
    if owner is None or owner.holder is None:
        return PostOwning(post=post, holder="", fence=owner.fence if owner else 0, since_at=0.0, ends_in_s=0.0)
    return PostOwning(
        post=post, holder=owner.holder, fence=owner.fence, since_at=owner.since, ends_in_s=owner.expires_in_s
    )


def _hosts(lives: tuple[Live, ...], holds: Counter[str], ttl_s: float) -> Iterator[HostOwning]:
    up = {live.info.host for live in lives if live.age_s < ttl_s}
    for live in lives:
        alive, info = live.age_s < ttl_s, live.info
        if alive or info.host not in up:
            yield HostOwning(
                name=info.name,
                alive=alive,
                beat_age_s=live.age_s,
                version=info.version,
                started_at=info.started_at,
                takes=info.posts,
                declines=info.declines,
                holds=holds[info.name],
                generation=info.config_generation,
            )


def _wrong(owners: Owners) -> Iterator[Text]:
    if owners.unowned:
        yield Text.assemble(("WRONG ", "bold red"), f"nobody holds {', '.join(owners.unowned)}")
    for host in owners.hosts:
        if not host.alive:
            yield Text.assemble(("note  ", "yellow"), f"{host.name} fell silent {host.beat_age_s:.0f} s ago")
        elif host.generation is None and owners.generation:
            text = f"{host.name} holds nothing: its file is not the active configuration; see `apf apply`"
            yield Text.assemble(("WRONG ", "bold red"), text)
        if host.alive and host.declines:
            left = ", ".join(host.declines)
            text = f"{host.name} leaves {left} to others that take it: it hung there, or reached nothing; see its log"
            yield Text.assemble(("note  ", "yellow"), text)


def _generation(owners: Owners) -> Text:
    if not owners.generation:
        return Text("no configuration is active yet: the first host makes its own the active one")
    since_s = max(0.0, owners.at - owners.generation_at)
    return Text(f"configuration generation {owners.generation}, by {owners.generation_by} {since_s:.0f} s ago")


def _hosts_shown(owners: Owners) -> Table:
    table = _table("host", "last beat", "version", "generation", "takes", "holds")
    for host in owners.hosts:
        beat = Text(f"{host.beat_age_s:.1f} s ago", style="" if host.alive else "red")
        generation = Text("none" if host.generation is None else str(host.generation))
        if host.generation != owners.generation:
            generation.stylize("yellow")
        takes = ", ".join(host.takes) or "nothing"
        table.add_row(host.name, beat, host.version, generation, takes, f"{host.holds} of {len(owners.posts)}")
    return table


def _posts_shown(owners: Owners) -> Table:
    table = _table("post", "holder", "fence", "for")
    for post in owners.posts:
        holder = Text(post.holder) if post.holder else Text("nobody", style="bold red")
        held = f"{owners.at - post.since_at:.0f} s" if post.holder else ""
        table.add_row(post.post, holder, str(post.fence or ""), held)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
