"""The operator's mailbox, where the mail is the message. Any host reads it.

A wish is checked, written as a row, and its outcome recorded. The sender repeats it until the outcome exists; the same
id twice finds its row and its outcome there. Nothing is said by mail: the outcome is a row.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from actors.config.schema import Config
from actors.fleet.effects import REPLACED, effects
from actors.fleet.nearest import nearest
from actors.fleet.vm import Vm
from actors.fleet.wish import Wish
from actors.runtime.messages import LookAtWishes, OperatorWish
from actors.runtime.post_office import PostOffice
from actors.runtime.wish_mail import scene, wish_of
from actors.store.vms import read_vms
from actors.store.wants import WishOutcome, accept, conclude
from broker.rows.table import Table

OF_VMS = ("drain", "hold", "kill")
WHOLE = ("freeze", "thaw")  # what no single VM takes

log = structlog.get_logger("operator")


class OperatorDesk:
    """Thread-safe. May raise Unreachable: the mail comes again."""

    def __init__(
        self,
        config: Config,
        table: Table,
        office: PostOffice,
        now: Callable[[], float],
        remember: Callable[[Wish], object] = lambda _: None,
    ) -> None:
        """`remember` is told each wish before it is written, so that one which Redis loses at once is put back."""
        self._config, self._table, self._office, self._now, self._remember = config, table, office, now, remember

    def take(self, mail: OperatorWish) -> None:
        now, wrong = self._now(), self._wrong(mail)
        if wrong:
            conclude(self._table, _refused(mail, wrong, now))
            log.warning("wish refused", id=mail.id, by=mail.by, why=wrong)
            return
        wish = self._wish(mail, now)
        self._remember(wish)
        accept(self._table, wish, "; ".join(effects(wish, scene(self._config, self._table, now))))
        what = f"{wish.selector} {' '.join(wish.names)}".strip()
        log.info("wish", id=wish.id, by=wish.by, verb=wish.verb, what=what, why=wish.reason)
        for cloud in self._config.clouds:
            self._office.send(f"retirement@cloud/{cloud}", LookAtWishes())

    def _wish(self, mail: OperatorWish, now: float) -> Wish:
        """So many VMs of a queue are chosen now, so that the wish names them and a repeat chooses no others."""
        return wish_of(mail, self._config, self._vms() if mail.count else (), now)

    def _vms(self) -> list[Vm]:
        return [vm for vm in read_vms(self._table, self._config.clouds) if vm.alive]

    def _wrong(self, mail: OperatorWish) -> str:
        """Why the wish cannot be accepted; empty when it can."""
        if mail.count is not None and (mail.selector != "queue" or mail.verb not in OF_VMS):
            return f"a count goes with a queue and one of {', '.join(OF_VMS)}"
        if not mail.replace and mail.verb not in REPLACED:
            return f"replace goes with one of {', '.join(REPLACED)}: {mail.verb} takes no VM out of service"
        if mail.verb in WHOLE and mail.selector == "vm":
            return f"{mail.verb} takes a cloud, a queue or all; for one VM use hold or release"
        if mail.selector == "all":
            return "all has no name" if mail.name else ""
        known = self._known(mail.selector)
        if mail.name in known:
            return ""
        near = nearest(mail.name, known)
        hint = f"did you mean {near}?" if near else f"{len(known)} are known"
        return f"there is no {mail.selector} {mail.name!r}; {hint}"

    def _known(self, selector: str) -> list[str]:
        if selector == "cloud":
            return [*self._config.clouds, *self._config.families]
        if selector == "queue":
            return list(self._config.queues)
        return [name for vm in self._vms() for name in (vm.id, vm.instance_id) if name]


def _refused(mail: OperatorWish, why: str, now: float) -> WishOutcome:
    said = f"{mail.verb} {mail.selector} {mail.name}".strip()
    return WishOutcome(id=mail.id, verdict="refused", why=why, at=now, said=said, by=mail.by, reason=mail.reason)
