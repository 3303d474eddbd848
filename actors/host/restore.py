"""What must outlive the loss of Redis, and is nowhere else: operators' wishes and the active configuration.

VMs are adopted from the clouds; that one of them is held, only its wish says. So each host remembers the last it saw,
and puts back what went missing: a living wish is never deleted by anybody, and the configuration's number never falls,
so a missing wish or a smaller number means that Redis lost rows. It does so within a tick; posts are taken again a TTL
after a loss. Only when every host is restarted before that is it lost.

Wishes that are over for long are forgotten here too, so that they do not fill Redis and every look over the years.
"""

from __future__ import annotations

import threading

import structlog

from actors.fleet.wish import Wish
from actors.store.active_config import is_ours
from actors.store.wants import accept, forget_wishes, read_wishes
from broker.connection.damage import Where
from broker.errors import DamagedRow
from broker.rows.document import Document, Edition
from broker.rows.table import Table

FORGETS_EVERY_S = 600.0

log = structlog.get_logger("host")


class Keepsake:
    """Of one host. Thread-safe. May raise Unreachable: then the next look does it."""

    def __init__(self, table: Table, document: Document) -> None:
        self._table, self._document = table, document
        self._wishes: dict[str, Wish] = {}
        self._forgets_at = 0.0
        self._lock = threading.Lock()

    def remember(self, wish: Wish) -> None:
        """One that this host accepts now."""
        with self._lock:
            self._wishes[wish.id] = wish

    def forget_old(self, now: float, kept_s: float) -> None:
        """Delete wishes that ended more than `kept_s` ago, once in a while. `now`: Redis seconds."""
        if now >= self._forgets_at:
            self._forgets_at = now + FORGETS_EVERY_S
            if gone := forget_wishes(self._table, now, kept_s):
                log.info("old wishes forgotten", wishes=gone)

    def keep_wishes(self, now: float) -> None:
        """Remember the living wishes; put back those that are gone. `now`: Redis seconds."""
        there = {wish.id: wish for wish in read_wishes(self._table, now)}
        with self._lock:
            lost = [wish for wish in self._wishes.values() if wish.id not in there and wish.ends > now]
            self._wishes = there | {wish.id: wish for wish in lost}
        for wish in lost:
            self._document.infirmary.set_aside(Where(key="once:wish", field=wish.id))  # damaged: it stands in the way
            accept(self._table, wish)
            log.warning("wish put back: Redis had lost it", id=wish.id, verb=wish.verb, by=wish.by, why=wish.reason)

    def newer(self, seen: Edition | None) -> Edition | None:
        """The active configuration, if it is newer than `seen`. An older one, or none, is replaced by `seen`.

        So is one that cannot be read: it is set aside. Raises DamagedRow when nothing is known that could replace it.
        """
        try:
            return self._newer(seen)
        except DamagedRow as damaged:
            if seen is None:
                raise
            log.error("configuration put back: what stood there is set aside", generation=seen.number, why=str(damaged))
            self._document.mend(seen)
            return None

    def _newer(self, seen: Edition | None) -> Edition | None:
        number = self._document.number()
        if seen is not None and number < seen.number:
            if self._document.put_back(seen):
                log.warning("configuration put back: Redis had lost it", generation=seen.number, found=number)
            return None
        if number <= (seen.number if seen else 0):
            return None
        edition = self._document.read()
        if edition is not None and not is_ours(edition):
            raise DamagedRow("document", "config", "body")
        return edition
