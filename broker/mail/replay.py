"""A dead letter put back into its mailbox, as it was: the same body, the same content type.

The letter goes away only after the mail was sent, so a crash in between repeats a mail and never loses one. What still
cannot be read becomes a dead letter again, with a new id.
"""

from kombu.exceptions import KombuError

from broker.connection.address import Site
from broker.errors import BadMail, Unreachable
from broker.mail.dead_letters import KEPT_BYTES, DeadLetter, DeadLetters


def replay(site: Site, dead: DeadLetters, letter: DeadLetter) -> None:
    """Send it again. Raises BadMail when it cannot be: it was cut, or was no mail. Raises Unreachable."""
    if not letter.whole:
        raise BadMail(f"{letter.size} bytes, of which {KEPT_BYTES} were kept: its sender must send it again")
    if not letter.content_type:
        raise BadMail("it was no mail that anything can read: drop it")
    try:
        _publish(site, letter)
    except (KombuError, OSError) as away:
        raise Unreachable(f"mail to {letter.mailbox} was not sent: {away}") from away
    dead.remove(letter.id)


def _publish(site: Site, letter: DeadLetter) -> None:
    with site.connection() as connection, connection.Producer() as producer:
        producer.publish(
            letter.body,
            exchange="",
            routing_key=site.mailbox(letter.mailbox),
            content_type=letter.content_type,
            content_encoding="binary",
            retry=True,
            retry_policy={"max_retries": 1, "interval_start": 0.05},
        )
