"""The status is what the rows say; no host has to answer."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from actors.config.schema import Config, Ec2Account, Family
from actors.console import status_watch
from actors.console.status import Reader
from actors.console.status_model import Status
from actors.console.status_part import NoSuchName, part
from actors.console.status_screen import screen
from actors.console.terminal import Screen
from actors.fleet.drain_and_hold import VmHold
from actors.fleet.observations import ScheddSeen
from actors.fleet.vm import State
from actors.fleet.want import CloudView, Want
from actors.fleet.wish import Wish
from actors.store.active_config import NAME, activate
from actors.store.readings import HEAD, DemandHead, ListingHead, StartdsHead
from actors.store.site import NotRunning
from actors.store.wants import QueueStanding, accept
from broker.connection.address import Site
from broker.rows.allotments import Allotments, PotAsk
from broker.rows.document import Document
from tests.actors.console.factory_rows import Rows

POSTS = ("pool/local", "cloud/private", "cloud/spot", "queue/atlas")


def read(config: Config) -> Status:
    reader = Reader(config)
    try:
        return reader.read()
    finally:
        reader.close()


def shown(status: Status, *, vms: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(screen(status, vms))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def healthy(rows: Rows) -> Rows:
    """A host that holds everything, and has read everything."""
    rows.host()
    rows.hold(*POSTS)
    schedds = (ScheddSeen(name="ap1"),)
    rows.write("demand", "pool/local", HEAD, DemandHead(at=rows.now(), schedds=schedds))
    rows.write("startds", "pool/local", HEAD, StartdsHead(at=rows.now()))
    for cloud in ("private", "spot"):
        rows.write("listing", f"cloud/{cloud}", HEAD, ListingHead(at=rows.now()))
        rows.write("fleet", f"cloud/{cloud}", HEAD, CloudView(cloud=cloud, at=rows.now(), room=1))
    standing = QueueStanding(known=True, idle=7, running=3, waiting=7, why=("7 waiting and 3 running jobs",))
    rows.write("standing", "queue/atlas", HEAD, standing)
    return rows


@pytest.mark.usefixtures("healthy")
def test_a_healthy_factory_has_no_trouble(config: Config) -> None:
    status = read(config)
    assert status.troubles == ()
    assert [host.name for host in status.hosts] == ["test#1a2b3c4d"]
    assert {post.post: post.holder for post in status.posts} == dict.fromkeys(POSTS, "test#1a2b3c4d")
    assert "nothing is wrong" in shown(status)


@pytest.mark.usefixtures("healthy")
def test_nothing_is_called_right_while_a_queues_demand_was_not_read(config: Config) -> None:
    status = read(config)
    unread = tuple(queue.model_copy(update={"known": False}) for queue in status.queues)
    text = shown(status.model_copy(update={"queues": unread, "troubles": ()}))
    assert "nothing is wrong" not in text
    assert "not known: demand of atlas was not read" in text


def test_a_factory_without_a_host_says_so_first(config: Config) -> None:
    status = read(config)
    assert "no host is alive" in status.troubles[0].what
    assert status.troubles[0].weight == "bad"
    assert "apf run" in status.troubles[0].todo


def test_jobs_wants_and_reasons_are_shown(config: Config, healthy: Rows) -> None:
    for cloud, count in (("spot", 4), ("private", 2)):
        want = Want(queue="atlas", cloud=cloud, n=count, reasons=(f"{cloud}: {count} new",), decision="d1")
        healthy.write("want", "queue/atlas", cloud, want)
    (queue,) = read(config).queues
    assert (queue.idle, queue.running, queue.waiting) == (7, 3, 7)
    assert [(want.cloud, want.vms, want.reasons) for want in queue.wants] == [
        ("private", 2, ("private: 2 new",)),
        ("spot", 4, ("spot: 4 new",)),
    ]
    text = shown(read(config))
    assert "private 2, spot 4" in text
    assert "7 waiting and 3 running jobs" in text


def test_vms_are_counted_by_state_and_cost_what_they_cost(config: Config, healthy: Rows) -> None:
    healthy.vm("spot", State.READY, usd_per_hour=0.5)
    healthy.vm("spot", State.DRAINING, usd_per_hour=0.5)
    healthy.vm("spot", State.ENDED, usd_per_hour=0.5)
    status = read(config)
    spot = next(cloud for cloud in status.clouds if cloud.name == "spot")
    assert spot.vms == {"ready": 1, "draining": 1, "ended": 1}
    assert status.usd_per_hour == 1.0
    assert "$1.00 an hour now" in shown(status)


def test_a_breaker_is_shown_beside_its_cloud_and_among_the_troubles_with_what_closes_it(
    config: Config, healthy: Rows
) -> None:
    told = "breaker open until 14:03:22 UTC: 3 of 3 VMs with image ami-1 never joined"
    view = CloudView(cloud="spot", at=healthy.now(), room=0, closed=told, breaker=told, full=told)
    healthy.write("fleet", "cloud/spot", HEAD, view)
    status = read(config)
    (trouble,) = status.troubles
    assert told in trouble.what
    assert "apf thaw CONFIG --cloud spot" in trouble.todo
    assert " ".join(shown(status).split()).count("3 of 3 VMs with image ami-1 never joined") == 2


def test_a_quota_that_leaves_no_room_is_shown_beside_its_cloud(config: Config, healthy: Rows) -> None:
    told = "account amazon has at most 6 VMs, in use: 6 VMs"
    healthy.write("fleet", "cloud/spot", HEAD, CloudView(cloud="spot", at=healthy.now(), room=0, full=told))
    assert told in " ".join(shown(read(config)).split())


def test_the_shapes_of_a_cloud_have_a_line_for_all_of_them(config: Config, healthy: Rows) -> None:
    spot = config.clouds["spot"].model_copy(update={"family": Family(name="any", max_vms=7)})
    healthy.vm("spot", State.READY, usd_per_hour=0.5)
    status = read(config.model_copy(update={"clouds": config.clouds | {"spot": spot}}))
    assert [(one.family, one.family_max_vms) for one in status.clouds if one.family] == [("any", 7)]
    assert "any, all shapes 1 of 7 0.50" in " ".join(shown(status).split())


def with_account(config: Config, **limits: float) -> Config:
    """Both clouds share an account."""
    clouds = {name: cloud.model_copy(update={"account": "amazon"}) for name, cloud in config.clouds.items()}
    accounts = {"amazon": Ec2Account.model_validate(limits)}
    return config.model_copy(update={"clouds": clouds, "accounts": accounts})


def says(rows: Rows, site: Site, cloud: str, own: tuple[int, int, int], outside: tuple[int, int, int]) -> None:
    """A cloud's holder says what it has, in VMs, cores and millionths of a dollar, and what others have beside it."""
    ask = PotAsk(own=own, each=(1, 1, 0), limits=(None,) * 3, members=(), outside=outside, place="one-region")
    Allotments(site.client(), site).claim(rows.term(f"cloud/{cloud}"), "amazon", ask)


def test_an_accounts_use_is_shown_beside_its_limits_with_vms_of_others_in_it(
    config: Config, site: Site, healthy: Rows
) -> None:
    config = with_account(config, max_vms=20, max_cost_usd_per_hour=4.5)
    says(healthy, site, "private", (2, 8, 0), (3, 6, 0))
    says(healthy, site, "spot", (5, 20, 1_250_000), (4, 6, 0))
    status = read(config)
    (account,) = status.accounts
    assert (account.vms, account.max_vms, account.cores, account.max_cores) == (2 + 5 + 4, 20, 8 + 20 + 6, None)
    assert (account.usd_per_hour, account.max_usd_per_hour, account.unknown) == (1.25, 4.5, ())
    assert "amazon 11 of 20 34 1.25 of 4.50 private, spot" in " ".join(shown(status).split())
    assert Status.model_validate_json(status.model_dump_json()) == status


def test_who_of_an_account_did_not_say_what_it_has_is_named(config: Config, site: Site, healthy: Rows) -> None:
    config = with_account(config, max_vms=20)
    says(healthy, site, "private", (2, 8, 0), (0, 0, 0))
    site.client().hset(site.key("allotments", "amazon"), "cloud/spot", "not numbers")
    (account,) = read(config).accounts
    assert (account.vms, account.unknown) == (2, ("spot",))
    assert "not known: spot; nothing is bought" in shown(read(config))


def test_an_account_without_a_limit_shows_what_its_rows_use(config: Config, healthy: Rows) -> None:
    healthy.vm("spot", State.READY, usd_per_hour=0.5)
    healthy.vm("spot", State.ENDED, usd_per_hour=0.5)
    (account,) = read(with_account(config)).accounts
    assert (account.vms, account.max_vms, account.cores, account.usd_per_hour) == (1, None, 1, 0.5)
    assert account.unknown == ()


def test_every_vm_is_listed_when_asked_for(config: Config, healthy: Rows) -> None:
    vm = healthy.vm("private", State.READY, hold=VmHold(why="asked to by an operator"))
    assert vm.instance_id not in shown(read(config))
    assert vm.instance_id in shown(read(config), vms=True)
    assert "ready held" in shown(read(config), vms=True)


def test_a_wish_is_shown_with_who_and_why(config: Config, healthy: Rows) -> None:
    now = healthy.now()
    accept(
        healthy.table,
        Wish(
            id="w1w1w1w1",
            verb="drain",
            selector="cloud",
            names=("spot",),
            reason="kernel",
            by="me@here",
            at=now,
            ends=now + 60,
        ),
    )
    (wish,) = read(config).wishes
    assert (wish.by, wish.reason, wish.names) == ("me@here", "kernel", ("spot",))
    assert "kernel" in shown(read(config))


def test_the_json_reads_back_as_the_same(config: Config, healthy: Rows) -> None:
    healthy.vm("private", State.READY)
    status = read(config)
    assert Status.model_validate_json(status.model_dump_json()) == status


def test_an_embedded_factory_that_is_not_up_is_said_to_be_so(config: Config, tmp_path: Path) -> None:
    factory = config.factory.model_copy(update={"redis": "embedded", "directory": str(tmp_path / "none")})
    with pytest.raises(NotRunning, match="apf run"):
        Reader(config.model_copy(update={"factory": factory}))


def without_spot(config: Config) -> Config:
    """The same file, after somebody took the cloud `spot` out of it."""
    queue = config.queues["atlas"].model_copy(update={"cascade": (("private",),)})
    clouds = {"private": config.clouds["private"]}
    return config.model_copy(update={"clouds": clouds, "queues": {"atlas": queue}})


def test_a_cloud_that_the_file_leaves_out_is_shown_as_long_as_hosts_serve_it(
    config: Config, site: Site, healthy: Rows
) -> None:
    document = Document(site.client(), site, NAME)
    activate(document, config, (), "test")
    healthy.vm("spot", State.DRAINING, usd_per_hour=0.5)
    smaller = without_spot(config)
    activate(document, smaller, ("spot",), "test")
    status = read(smaller)
    assert [(cloud.name, cloud.left_out, cloud.vms) for cloud in status.clouds] == [
        ("private", False, {}),
        ("spot", True, {"draining": 1}),
    ]
    assert status.usd_per_hour == 0.5
    assert [vm.cloud for vm in status.vms] == ["spot"]
    assert "cloud/spot" in {post.post for post in status.posts}
    assert "not in this file" in shown(status)


def test_living_vms_of_a_cloud_that_nobody_serves_any_more_are_a_trouble(config: Config, healthy: Rows) -> None:
    healthy.vm("spot", State.READY)
    (trouble,) = [one for one in read(without_spot(config)).troubles if "no configuration names" in one.what]
    assert (trouble.weight, trouble.what.startswith("1 VM of spot")) == ("bad", True)


def at_80(status: Status) -> list[str]:
    screen_of_80 = Screen(file=io.StringIO(), width=80)
    screen_of_80.print(screen(status, with_vms=True))
    assert isinstance(screen_of_80.file, io.StringIO)
    return screen_of_80.file.getvalue().splitlines()


def test_at_80_columns_names_and_reasons_can_be_read(config: Config, healthy: Rows) -> None:
    why = "the breaker is open until 14:03:22 UTC: 3 of 3 VMs with image ami-0123456789abcdef0 never joined"
    view = CloudView(cloud="spot", at=healthy.now(), room=0, closed=why, full=why)
    healthy.write("fleet", "cloud/spot", HEAD, view)
    vm = healthy.vm("spot", State.READY, instance_id="i-0123456789abcdef0", reason="it joined as slot1@ip-10-0-0-1")
    lines = at_80(read(config))
    (row,) = (line for line in lines if line.startswith("spot "))
    assert row.split()[:4] == ["spot", "1", "of", "4"]
    assert any(line.startswith("  spot: CLOSED; the breaker is open until") for line in lines)
    assert any(line.startswith(f"{vm.id} ") and "i-0123456789abcdef0" in line for line in lines)
    assert any(line.startswith(f"  {vm.id}: it joined as slot1@ip-10-0-0-1") for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_source_that_was_never_read_is_not_good(config: Config) -> None:
    rows = [line for line in shown(read(config)).splitlines() if line.startswith(("pool/local", "cloud/private"))]
    assert rows
    assert not any("good" in row for row in rows)
    assert all("none yet" in row for row in rows)


def test_only_wishes_in_force_stand_at_the_top(config: Config, healthy: Rows) -> None:
    vm = healthy.vm("spot", State.READY)
    for number, (verb, selector, names) in enumerate(
        [
            ("hold", "vm", (vm.id,)),
            ("release", "vm", (vm.id,)),
            ("hold", "vm", (vm.id,)),
            ("drain", "vm", ("x-gone",)),
            ("freeze", "cloud", ("spot",)),
        ]
    ):
        at = healthy.now() - 10 + number
        wish = Wish(
            id=f"w{number}",
            verb=verb,
            selector=selector,
            names=names,
            reason=f"reason {number}",
            by="me",
            at=at,
            ends=at + 999,
        )
        accept(healthy.table, wish)
    told = [line for line in shown(read(config)).splitlines() if line.startswith(("wish", "      "))]
    assert [line for line in told if line.startswith("wish")] == [
        line for line in told if "reason 2" in line or "reason 4" in line
    ]
    assert any("3 wishes more, replaced or done" in line for line in told)


@pytest.mark.usefixtures("healthy")
def test_many_queues_are_folded_where_they_have_nothing_to_show(config: Config) -> None:
    status = read(config)
    (queue,) = status.queues
    idle = {"idle": 0, "young": 0, "running": 0, "held": 0, "waiting": 0, "wants": (), "why": ("no jobs",)}
    many = tuple(queue.model_copy(update={"name": f"q{number}", **idle}) for number in range(40))
    told = shown(status.model_copy(update={"queues": (queue, *many)}))
    assert "atlas" in told
    assert "40 more without jobs or VMs: q0, q1" in told
    assert "q17" not in told


def test_a_status_can_be_of_one_queue_or_one_cloud_and_what_is_wrong_stays(config: Config, healthy: Rows) -> None:
    healthy.vm("spot", State.READY)
    healthy.vm("private", State.READY)
    healthy.write("listing", "cloud/private", HEAD, ListingHead(at=healthy.now(), failed="away"))
    whole = read(config)
    of_spot = part(whole, cloud="spot")
    assert [one.name for one in of_spot.clouds] == ["spot"]
    assert {vm.cloud for vm in of_spot.vms} == {"spot"}
    assert of_spot.troubles == whole.troubles
    assert of_spot.troubles
    of_atlas = part(whole, queue="atlas")
    assert [one.name for one in of_atlas.queues] == ["atlas"]
    assert len(of_atlas.vms) == 2
    with pytest.raises(NoSuchName, match="did you mean 'atlas'"):
        part(whole, queue="atals")


class _Enough(Exception):
    pass


def test_watching_says_how_much_does_not_fit(config: Config, healthy: Rows) -> None:
    for _ in range(40):
        healthy.vm("spot", State.READY)

    def stop(_: float) -> None:
        raise _Enough

    shown_live = Screen(file=io.StringIO(), width=80, height=20, force_terminal=True)
    with pytest.raises(_Enough):
        status_watch.watch(lambda: read(config), shown_live, True, False, 1.0, stop)
    assert isinstance(shown_live.file, io.StringIO)
    assert re.search(r"\d+ lines more: a higher screen, --queue, --cloud", shown_live.file.getvalue())
