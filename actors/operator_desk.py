"""The operator's mailbox, where the mail is the message. Any host reads it.

A wish is checked, written as a row, and its outcome recorded. The sender repeats it until the outcome exists; the same
id twice finds its row and its outcome there. Nothing is said by mail: the outcome is a row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import structlog

from actors.config import Config
from actors.fleet.wish import Wish
from actors.messages import LookAtWishes, OperatorWish
from actors.post_office import PostOffice
from actors.registry import read_vms
from actors.wants import Outcome, accept, conclude
from broker.table import Table

log = structlog.get_logger("operator")


class OperatorDesk:
    """Thread-safe. May raise Unreachable: the mail comes again."""

    def __init__(self, config: Config, table: Table, office: PostOffice, now: Callable[[], float]) -> None:
        self._config, self._table, self._office, self._now = config, table, office, now

    def take(self, mail: OperatorWish) -> None:
        now, wrong = self._now(), self._wrong(mail)
        if wrong:
            conclude(self._table, Outcome(id=mail.id, verdict="refused", why=wrong, at=now))
            log.warning("wish refused", id=mail.id, by=mail.by, why=wrong)
            return
        wish = Wish(
            id=mail.id,
            verb=mail.verb,
            selector=mail.selector,
            name=mail.name,
            reason=mail.reason,
            by=mail.by,
            at=now,
            ends=now + mail.life_s,
        )
        accept(self._table, wish)
        log.info("wish", id=wish.id, by=wish.by, verb=wish.verb, what=f"{wish.selector} {wish.name}", why=wish.reason)
        for cloud in self._config.clouds:
            self._office.send(f"retirement@cloud/{cloud}", LookAtWishes())

    def _wrong(self, mail: OperatorWish) -> str:
        """Why the wish cannot be accepted; empty when it can."""
        if mail.selector == "cloud":
            known = list(self._config.clouds)
        elif mail.selector == "queue":
            known = list(self._config.queues)
        else:
            vms = [vm for vm in read_vms(self._table, self._config.clouds) if vm.alive]
            known = [name for vm in vms for name in (vm.id, vm.instance_id) if name]
        if mail.name in known:
            return ""
        near = difflib.get_close_matches(mail.name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"{len(known)} are known"
        return f"there is no {mail.selector} {mail.name!r}; {hint}"
