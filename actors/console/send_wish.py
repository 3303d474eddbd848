"""The operator's side of a wish: send it, and repeat it until its outcome is a row.

Nobody answers by mail. The same id twice is one wish, so repeating does no harm; what is lost is sent again.
"""

from __future__ import annotations

import time
import uuid

from pydantic import ValidationError

from actors.config.schema import Config
from actors.console.opened import author, served, store
from actors.fleet.effects import effects
from actors.runtime.messages import KINDS, OperatorWish
from actors.runtime.post_office import OPERATOR
from actors.runtime.wish_mail import scene, wish_of
from actors.store.site import site_of
from actors.store.wants import WishOutcome, read_outcomes
from broker.connection.clock import RedisClock
from broker.mail.mailboxes import Mailer
from broker.rows.table import Table

AGAIN_S = 2.0
LOOK_S = 0.1


class BadWish(ValueError):
    """What was asked for cannot be said: too long, no reason, out of range. The text says which."""


def wish(verb: str, selector: str, name: str, reason: str, life_s: float, **more: object) -> OperatorWish:
    """A wish in the name of whoever runs this; `more` are further fields of OperatorWish. Raises BadWish."""
    fields = {
        "id": uuid.uuid4().hex,
        "verb": verb,
        "selector": selector,
        "name": name,
        "reason": reason,
        "by": author(),
        "life_s": life_s,
        **more,
    }
    try:
        return OperatorWish.model_validate(fields)
    except ValidationError as wrong:
        told = "; ".join(f"{error['loc'][0]}: {error['msg']}" for error in wrong.errors())
        raise BadWish(told) from wrong


def before(config: Config, wanted: OperatorWish) -> tuple[str, ...]:
    """What it would do now, were it accepted, in sentences; whether it is accepted the host says. Raises as `ask`."""
    with store(config) as rows:
        served_now = served(config, rows.document.read())
        seen = scene(served_now, rows.table, rows.now)
        return effects(wish_of(wanted, served_now, seen.vms, rows.now), seen)


def ask(config: Config, wanted: OperatorWish, wait_s: float) -> WishOutcome | None:
    """Send until the outcome is there; None: no host answered within `wait_s`. Raises NotRunning, Unreachable."""
    site = site_of(config)
    client = site.client()
    clock = RedisClock(client)
    clock.sync()
    table = Table(client, site)
    mailer = Mailer(site, KINDS, wanted.by, clock)
    try:
        return _repeat(mailer, table, wanted, time.monotonic() + wait_s)
    finally:
        mailer.close()
        client.close()


def _repeat(mailer: Mailer, table: Table, wanted: OperatorWish, deadline: float) -> WishOutcome | None:
    send_at = 0.0
    while (now := time.monotonic()) < deadline:
        if now >= send_at:
            mailer.send(OPERATOR, wanted, not_after_s=deadline - now)
            send_at = now + AGAIN_S
        if (outcome := read_outcomes(table).get(wanted.id)) is not None:
            return outcome
        time.sleep(LOOK_S)
    return None
