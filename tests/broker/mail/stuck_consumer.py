"""A consumer that takes a mail and never lets it go. Run as a process: host port password factory."""

import sys
import time

from broker.connection.address import Address, Site
from broker.envelope import Envelope, Message
from tests.broker.post import Post


class Stuck(Post):
    """Holds its first mail for ever."""

    def deliver(self, _mailbox: str, message: Message, _envelope: Envelope) -> None:
        sys.stdout.write(f"holding {message!r}\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    host, port, password, factory = sys.argv[1:]
    address = Address(scheme="redis", nodes=((host, int(port)),), db="0", password=password)
    Stuck(Site(address=address, factory=factory)).room.subscribe("q")
    time.sleep(600)
