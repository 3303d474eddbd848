"""News goes to an actor of this host without Redis, where this host holds the post for sure; else by mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.schema import Config
from actors.host.host import Host
from actors.runtime.messages import KINDS, LookAtDemand
from actors.runtime.metrics import Gauges
from actors.runtime.post_office import OPERATOR, PostOffice
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.mail.mailboxes import Mailer
from tests.late import within

NEWS = LookAtDemand(pool="local")
HERE = "scheduler@queue/atlas"


def config(directory: Path) -> Config:
    """Everything is simulated, and nothing of it answers: only the host itself is looked at."""
    return Config.model_validate(
        {
            "factory": {"name": "test", "directory": str(directory), "console": {"port": 0}},
            "pools": {"local": {"kind": "simulated", "world": str(directory / "none.sock")}},
            "clouds": {
                "private": {
                    "kind": "simulated",
                    "world": str(directory / "none.sock"),
                    "shape": {"cpus": 1, "memory_mib": 512},
                    "max_vms": 4,
                }
            },
            "queues": {"atlas": {"pool": "local", "jobs": "true", "cascade": [["private"]]}},
        }
    )


def test_what_is_handed_over_is_not_mailed(site: Site) -> None:
    handed: list[str] = []

    def here(mailbox: str, _message: object) -> bool:
        handed.append(mailbox)
        return mailbox == HERE

    client, clock = site.client(), RedisClock(site.client())
    clock.sync()
    mailer = Mailer(site, KINDS, "test#1", clock)
    office = PostOffice(mailer, Gauges(), here)
    office.send(HERE, NEWS)
    office.send("scheduler@queue/cms", NEWS)
    mailer.close()
    assert handed == [HERE, "scheduler@queue/cms"]
    assert (client.llen(site.mailbox(HERE)), client.llen(site.mailbox("scheduler@queue/cms"))) == (0, 1)


def test_a_host_hands_over_only_where_it_holds_the_post_for_sure(tmp_path: Path) -> None:
    with Host(config(tmp_path), "here") as host:
        works = host.works
        within(30, "the post is taken", lambda: works.hand_over(HERE, NEWS))
        assert not works.hand_over("scheduler@queue/cms", NEWS), "a post that nobody has"
        assert not works.hand_over(OPERATOR, NEWS), "the mailbox of no post"
    assert not works.hand_over(HERE, NEWS), "the host gave its posts up"


@pytest.mark.parametrize("mailbox", ["", "@", "scheduler@", "nobody"])
def test_a_mailbox_that_is_nobodys_is_not_here(mailbox: str, tmp_path: Path) -> None:
    with Host(config(tmp_path), "here") as host:
        assert not host.works.hand_over(mailbox, NEWS)
