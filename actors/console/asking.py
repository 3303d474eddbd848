"""The operator's side of a wish: send it, and repeat it until its outcome is a row.

Nobody answers by mail. The same id twice is one wish, so repeating does no harm; what is lost is sent again.
"""

from __future__ import annotations

import getpass
import socket
import time
import uuid

from actors.config import Config
from actors.messages import KINDS, OperatorWish
from actors.post_office import OPERATOR
from actors.wants import Outcome, read_outcomes
from actors.where import site_of
from broker.clock import RedisClock
from broker.mail import Mailer
from broker.table import Table

AGAIN_S = 2.0
LOOK_S = 0.1


def drain(selector: str, name: str, reason: str, life_s: float) -> OperatorWish:
    """A wish to drain, in the name of whoever runs this. Raises pydantic's ValidationError."""
    by = f"{getpass.getuser()}@{socket.gethostname()}"[:100]
    return OperatorWish.model_validate(
        {
            "id": uuid.uuid4().hex,
            "verb": "drain",
            "selector": selector,
            "name": name,
            "reason": reason,
            "by": by,
            "life_s": life_s,
        }
    )


def ask(config: Config, wish: OperatorWish, wait_s: float) -> Outcome | None:
    """Send until the outcome is there; None: no host answered within `wait_s`. Raises NotRunning, Unreachable."""
    site = site_of(config)
    client = site.client()
    clock = RedisClock(client)
    clock.sync()
    table = Table(client, site)
    mailer = Mailer(site, KINDS, wish.by, clock)
    try:
        return _repeat(mailer, table, wish, time.monotonic() + wait_s)
    finally:
        mailer.close()
        client.close()


def _repeat(mailer: Mailer, table: Table, wish: OperatorWish, deadline: float) -> Outcome | None:
    send_at = 0.0
    while (now := time.monotonic()) < deadline:
        if now >= send_at:
            mailer.send(OPERATOR, wish, not_after_s=deadline - now)
            send_at = now + AGAIN_S
        if (outcome := read_outcomes(table).get(wish.id)) is not None:
            return outcome
        time.sleep(LOOK_S)
    return None
