"""Which posts this host holds: it beats, takes its share, renews what makes progress, and gives the rest back.

Rendezvous shares say who *should* hold a post, the lease says who *does*. A post is taken when it is ours by share and
free. One that is ours no longer by share is given up at once: intents make abandoning safe, and its next holder goes on
from the rows. A term goes on only while every actor of its post goes on looking at it: so a hung holder loses its
posts, whatever hangs. It gives them up, and its beat says that it does not take them for a while, unless nobody else
does. So it is with a post whose cloud or pool is not reached from here: another host may see what this one does not.
And when Redis was cut off for too long, terms are over before another host may take them: trust runs from when
we asked.

When Redis has lost rows (its generation key is gone), or restarted and may have (it came back from an older copy),
every post is given up, and nothing is taken for one TTL, so that whoever else held terms has noticed too. Then the
posts are taken anew, each holder reads its rows anew, and the first complete listing of each cloud adopts what is
running before anything is started or ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from actors.runtime.rounds import Rounds
from actors.runtime.terms import Terms
from broker.connection.clock import RedisClock
from broker.connection.damage import printable
from broker.connection.generation import DataLost, Generation, Restarted
from broker.errors import RedisRefused, Unreachable
from broker.posts.assignment import shares
from broker.posts.hosts import HostInfo, Hosts, Live
from broker.posts.leases import Leases, Term

ACTORS_OF = {"pool": ("monitor",), "queue": ("scheduler",), "cloud": ("monitor", "submitter", "retirement")}
KEYS = {"leases": b"hash", "hosts": b"zset", "host-infos": b"hash"}  # their types
SYNC_S = 30.0
STOP_S = 6.0
TOLD = 20  # troubles that a beat tells
DECLINED_TTLS = 20  # a post that made no progress here, or saw nothing, is left to others for so many TTLs

log = structlog.get_logger("ownership")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """`stalled_s`: an actor that has not come round to a post for so long makes no progress. `blind_s`: a pool or cloud
    of which every reading failed for so long is not reached from here.
    """

    ttl_s: float
    tick_s: float
    stalled_s: float
    blind_s: float
    alone: bool = False  # nobody else can have held terms in this Redis: an empty one needs no waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told, in the thread of Ownership: of a post that was gained or lost, and of a round that failed."""

    gained: Callable[[str], None]
    lost: Callable[[str], None]
    failed: Callable[[str], object] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """What all hosts see of each other in Redis: who is there, who holds what, the time, whether data were lost."""

    hosts: Hosts
    leases: Leases
    clock: RedisClock
    generation: Generation


class Ownership:
    """Runs in a thread of its own."""

    def __init__(
        self,
        posts: Sequence[str],
        host: HostInfo,
        shared: SharedState,
        terms: Terms,
        rhythm: Rhythm,
        listeners: Listeners,
    ) -> None:
        self._posts, self._host, self._terms, self._rhythm = tuple(posts), host, terms, rhythm
        self._hosts, self._leases = shared.hosts, shared.leases
        self._clock, self._generation = shared.clock, shared.generation
        self._gained, self._lost = listeners.gained, listeners.lost
        self._held: dict[str, Term] = {}
        self._declined: dict[str, float] = {}  # post -> until when it is left to others, monotonic
        self._blind: set[str] = set()  # of these, the posts that saw nothing
        self._take_from = 0.0  # monotonic: no post is taken before this
        self._synced = -SYNC_S
        self._away = ""
        self._anew: set[str] = set()  # posts to be given up, and taken anew from the rows
        self.troubles: Callable[[], tuple[str, ...]] = tuple  # what its beats say of this host
        self._rounds = Rounds("ownership", self._round, rhythm.tick_s, listeners.failed, most_s=rhythm.ttl_s / 4)

    def start(self) -> None:
        self._rounds.start()

    def stop(self) -> None:
        """Give every post up, so that another host need not wait for the leases to end. Bounded: with Redis away, or
        a round that hangs, nothing is said, and the leases end by themselves.
        """
        over = self._rounds.stop(min(self._rhythm.ttl_s, STOP_S))
        reached = over and not self._away
        for post in list(self._held) if not reached else ():
            self._forget(post, "this host stops; its lease ends by itself")
        if not reached:
            return
        self._give_up(list(self._held), "this host stops")
        try:
            self._hosts.leave(self._host)
        except Unreachable as away:
            log.info("not said good-bye", why=str(away))

    @property
    def trouble(self) -> str:
        """Why its thread does not do its work; empty while it does."""
        return self._rounds.trouble

    def take_anew(self, post: str) -> None:
        """Give the post up at the next round, and take it again: its actors then read its rows anew. Any thread."""
        self._anew.add(post)

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(self._held)

    @property
    def away(self) -> str:
        """Why Redis is not reached; empty while it is."""
        return self._away

    def _round(self) -> None:
        try:
            self.tick()
            self._note_away("")
        except Unreachable as away:
            self._note_away(str(away))
            self._drop_untrusted()
            if isinstance(away, RedisRefused):
                self._mend(away)
        except Exception:
            self._drop_untrusted()
            raise

    def _mend(self, refused: RedisRefused) -> None:
        """A key of ownership has a type that is not ours: it is set aside, and all hosts start over, as after a loss
        of rows; the leases that are gone may have been anybody's.
        """
        if "WRONGTYPE" not in str(refused):
            return
        try:
            if mended := self._generation.mend(KEYS):
                log.error("keys of another type set aside", keys=mended, hint="see `apf doctor rows`")
        except Unreachable as away:
            log.info("keys not mended", why=str(away))

    def tick(self) -> None:
        """One round. Raises Unreachable."""
        if time.monotonic() - self._synced >= SYNC_S:
            self._clock.sync()
            self._synced = time.monotonic()
        self._check_generation()
        self._drop_stalled()
        self._give_up([post for post in self._held if post in self._anew], "its rows are read anew")
        self._anew.clear()
        self._leave_blind()
        mine = self._share(self._hosts.beat(self._info(), within_s=self._rhythm.ttl_s).live)
        self._renew()
        self._give_up([post for post in self._held if post not in mine], "it is another host's share now")
        if time.monotonic() >= self._take_from:
            self._take([post for post in self._posts if post in mine and post not in self._held])

    def _share(self, live: Iterable[Live]) -> set[str]:
        """The posts that this host should hold. All hosts compute it from the same facts."""
        takes = {one.info.name: one.info.posts for one in live}
        declined = {one.info.name: one.info.declines for one in live}
        holders = {owner.post: owner.holder for owner in self._leases.owners() if owner.holder}
        owners = shares(self._posts, takes, holders, declined)
        return {post for post, host in owners.items() if host == self._host.name}

    def _check_generation(self) -> None:
        match self._generation.check():
            case DataLost(seen=seen):
                log.warning("redis is empty", why=seen)
                self._start_over()
            case Restarted(seen=seen):
                log.warning("redis restarted", why=seen)
                self._start_over()

    def _start_over(self) -> None:
        self._give_up(self._held, "Redis lost rows, or may have")
        wait_s = 0.0 if self._rhythm.alone else self._rhythm.ttl_s
        self._take_from = time.monotonic() + wait_s

    def _info(self) -> HostInfo:
        """What this host says of itself, with the posts that it leaves to others for now."""
        now = time.monotonic()
        self._declined = {post: until for post, until in self._declined.items() if until > now}
        troubles = tuple(printable(one)[:400] for one in self.troubles()[:TOLD])
        return self._host.model_copy(update={"declines": tuple(self._declined), "troubles": troubles})

    def _renew(self) -> None:
        renewal = self._leases.renew(self._held.values())
        for term in renewal.renewed:
            self._held[term.post] = term
            self._terms.put(term)
        for gone in renewal.lost:
            self._forget(gone.term.post, gone.seen)
        self._drop_untrusted()

    def _drop_stalled(self) -> None:
        """Its actor may hang in a write: the fence refuses that, once another host holds the post."""
        for post in list(self._held):
            stalled = self._terms.stalled(ACTORS_OF[post.partition("/")[0]], post, self._rhythm.stalled_s)
            if stalled:
                log.error("post makes no progress", post=post, actor=stalled, for_s=self._rhythm.stalled_s)
                self._decline(post)
                self._give_up([post], f"its {stalled} hangs")

    def _leave_blind(self) -> None:
        """Not given up here: that is for the share to say, if another host takes them. Alone we go on trying."""
        for post in self._held:
            what = self._terms.blind(post, self._rhythm.blind_s)
            if what and post not in self._declined:
                log.error("post sees nothing from here", post=post, reading=what, for_s=self._rhythm.blind_s)
                self._decline(post)
                self._blind.add(post)
            elif not what and post in self._blind:
                self._blind.discard(post)
                self._declined.pop(post, None)

    def _decline(self, post: str) -> None:
        self._declined[post] = time.monotonic() + DECLINED_TTLS * self._rhythm.ttl_s

    def _take(self, posts: Sequence[str]) -> None:
        for answer in self._leases.acquire_all(posts) if posts else ():
            if isinstance(answer, Term):
                self._held[answer.post] = answer
                self._terms.put(answer)
                log.info("post taken", post=answer.post, fence=answer.fence)
                self._gained(answer.post)

    def _give_up(self, posts: Iterable[str], why: str) -> None:
        terms = [self._held[post] for post in posts]
        if not terms:
            return
        for term in terms:
            self._forget(term.post, why)
        try:
            self._leases.release_all(terms)
        except Unreachable as away:
            log.info("leases not released", posts=[term.post for term in terms], why=str(away))

    def _drop_untrusted(self) -> None:
        now = time.monotonic()
        for post, term in list(self._held.items()):
            if not term.trusted(now):
                self._forget(post, "not renewed in time")

    def _forget(self, post: str, why: str) -> None:
        log.info("post given up", post=post, why=why)
        del self._held[post]
        self._terms.remove(post)
        self._lost(post)

    def _note_away(self, why: str) -> None:
        if bool(why) != bool(self._away):
            (log.error if why else log.info)("redis away" if why else "redis back", why=why or self._away)
        self._away = why
