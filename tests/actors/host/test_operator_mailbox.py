"""The operator's mailbox: the manual's own script, sent to a real mailroom over a real Redis."""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest

from actors.config.schema import Config
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from actors.host.operator_mailbox import OperatorDesk
from actors.runtime.messages import KINDS, OperatorWish
from actors.runtime.metrics import Gauges
from actors.runtime.post_office import OPERATOR, PostOffice
from actors.store.codec import pack
from actors.store.wants import read_outcomes, read_wishes
from broker.connection.address import Address, Site
from broker.connection.clock import RedisClock
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer, Mailroom
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table
from tests.readme import manual

CLOUD = {"kind": "ec2", "region": "r", "shape": {"cpus": 1, "memory_mib": 1}, "max_vms": 9}
CONFIG = Config.model_validate(
    {
        "factory": {"name": "test"},
        "pools": {"local": {"kind": "htcondor", "collector": "cm"}},
        "clouds": {"private": CLOUD, "spot": CLOUD},
        "queues": {"atlas": {"pool": "local", "jobs": "true", "cascade": [["private"], ["spot"]]}},
    }
)


@pytest.fixture
def clock(site: Site) -> RedisClock:
    clock = RedisClock(site.client())
    clock.sync()
    return clock


@pytest.fixture
def table(site: Site) -> Table:
    return Table(site.client(), site)


@pytest.fixture
def desk(site: Site, table: Table, clock: RedisClock) -> Iterator[OperatorDesk]:
    mailer = Mailer(site, KINDS, "test#1", clock)
    yield OperatorDesk(CONFIG, table, PostOffice(mailer, Gauges()), clock.now)
    mailer.close()


@pytest.fixture
def mailroom(site: Site, desk: OperatorDesk, clock: RedisClock) -> Iterator[Mailroom]:
    def deliver(_mailbox: str, message: Any, _envelope: Any) -> None:
        desk.take(message)

    room = Mailroom(site, KINDS, deliver, DeadLetters(site.client(), site), clock)
    room.subscribe(OPERATOR)
    room.start()
    yield room
    room.close()


def mail(**changes: Any) -> OperatorWish:
    plain = {"id": "wish-0001", "verb": "drain", "selector": "cloud", "name": "spot", "reason": "why", "by": "ada"}
    return OperatorWish.model_validate(plain | changes)


def having(site: Site, table: Table, *vms: Vm) -> None:
    leases = Leases(site.client(), site, "test#1", 60.0)
    for cloud in {vm.cloud for vm in vms}:
        term = leases.acquire(f"cloud/{cloud}")
        assert isinstance(term, Term)
        rows = [Put(kind="vm", key=vm.id, body=pack(vm), expected_version=None) for vm in vms if vm.cloud == cloud]
        table.write(term, rows)


def vm(name: str, cloud: str, price: float, state: State = State.READY) -> Vm:
    return Vm(id=name, cloud=cloud, queue="atlas", state=state, since=1.0, born=1.0, reason="test", usd_per_hour=price)


@pytest.mark.usefixtures("mailroom")
def test_the_readmes_script_is_accepted_and_prints_the_outcome(
    site: Site, redis_address: Address, table: Table, clock: RedisClock
) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", manual(), re.DOTALL)
    url = f"redis://:{redis_address.password}@{redis_address.nodes[0][0]}:{redis_address.nodes[0][1]}/0"
    script = script.replace('"redis://localhost:6379/0"', repr(url)).replace('"prod"', repr(site.factory))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "operate.md", "exec"), {})
    assert "'verdict': 'accepted'" in printed.getvalue()
    (wish,) = read_wishes(table, clock.now())
    assert (wish.verb, wish.selector, wish.names, wish.by) == ("drain", "cloud", ("spot",), "cron")


def test_the_same_id_twice_is_one_wish(desk: OperatorDesk, table: Table, clock: RedisClock) -> None:
    desk.take(mail())
    desk.take(mail(reason="said again"))
    (wish,) = read_wishes(table, clock.now())
    assert wish.reason == "why"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "sport"}, "there is no cloud 'sport'; did you mean spot?"),
        ({"selector": "queue", "name": "spot"}, "there is no queue 'spot'; 1 are known"),
        ({"selector": "vm", "name": "i-1"}, "there is no vm 'i-1'; 0 are known"),
        ({"count": 2}, "a count goes with a queue and one of drain, hold, kill"),
        ({"verb": "freeze", "selector": "vm"}, "freeze takes a cloud, a queue or all; for one VM use hold or release"),
        ({"selector": "all"}, "all has no name"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_what_would_be_right(
    desk: OperatorDesk, table: Table, clock: RedisClock, changes: dict[str, Any], why: str
) -> None:
    desk.take(mail(**changes))
    assert read_outcomes(table)["wish-0001"].verdict == "refused"
    assert read_outcomes(table)["wish-0001"].why == why
    assert read_wishes(table, clock.now()) == ()


def test_so_many_of_a_queue_are_chosen_once_the_dearest_first(
    site: Site, desk: OperatorDesk, table: Table, clock: RedisClock
) -> None:
    having(site, table, vm("free", "private", 0.0), vm("dear", "spot", 0.1), vm("young", "spot", 0.1, State.BOOTING))
    desk.take(mail(selector="queue", name="atlas", count=2))
    (wish,) = read_wishes(table, clock.now())
    assert (wish.selector, wish.names) == ("vm", ("young", "dear"))


def test_a_cloud_of_several_shapes_is_all_of_them(site: Site, table: Table, clock: RedisClock) -> None:
    shapes = {f"spot-{n}": {**CLOUD, "family": {"name": "spot", "max_vms": 9}} for n in ("small", "large")}
    config = CONFIG.model_copy(
        update={"clouds": Config.model_validate({**CONFIG.model_dump(), "clouds": shapes}).clouds}
    )
    mailer = Mailer(site, KINDS, "test#2", clock)
    OperatorDesk(config, table, PostOffice(mailer, Gauges()), clock.now).take(mail(selector="cloud", name="spot"))
    mailer.close()
    (wish,) = read_wishes(table, clock.now())
    assert wish.names == ("spot-small", "spot-large")
    assert all(wish.concerns_group(cloud, "atlas") for cloud in shapes)
    assert not wish.concerns_group("spot", "atlas")


def test_a_wish_is_without_effect_after_its_life(desk: OperatorDesk, table: Table, clock: RedisClock) -> None:
    desk.take(mail(life_s=10))
    assert read_wishes(table, clock.now() + 11) == ()
    assert isinstance(read_wishes(table, clock.now())[0], Wish)
