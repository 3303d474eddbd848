"""What goes wrong between us and Nova, and what Nova refuses early or late: each is sorted by its remedy, nothing is
bought twice and nothing is left behind.
"""

from __future__ import annotations

import json
import random

import pytest

from actors.clouds.openstack import servers as servers_module
from actors.clouds.openstack.link import OpenStackLink
from actors.clouds.port import CloudError, NoCapacity, Order, Quota, Refused, Throttled, Unknown
from tests.actors.clouds.conformance import order, started, states
from tests.actors.clouds.openstack.conftest import MakeOpenStack, account
from tests.actors.clouds.openstack.proxy import Answered, Asked, Fault, Proxy
from tests.late import within

PAGE = Answered(status=502, body=b"<html><body>Bad gateway</body></html>", headers={"content-type": "text/html"})
BUSY = Answered(
    status=429,
    body=json.dumps(
        {"overLimit": {"code": 429, "message": "This request was rate-limited.", "retryAfter": "7"}}
    ).encode(),
    headers={"content-type": "application/json", "retry-after": "7"},
)
TINY = {"application_credential_id": None, "application_credential_secret": None, "username": "env:USER"}
AS_TINY = {**TINY, "password": "env:PASSWORD", "project": "tiny"}


def second() -> Fault:
    """Of two creates the second one, whichever that is."""
    seen: list[Asked] = []

    def on(asked: Asked) -> bool:
        seen.extend([asked] if asked.creates else [])
        return asked.creates and len(seen) == 2

    return Fault(on=on, passed_on=False, answer=BUSY)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(), id="reset after it was carried out"),
        pytest.param(Fault(passed_on=False), id="reset before"),
        pytest.param(Fault(answer=PAGE), id="a proxy's page after"),
        pytest.param(Fault(passed_on=False, answer=PAGE), id="a proxy's page before"),
        pytest.param(Fault(answer=Answered(status=503)), id="503 after"),
    ],
)
def test_a_create_without_an_answer_is_sent_once_is_unknown_and_its_repeat_starts_one_in_all(
    make_openstack: MakeOpenStack, proxy: Proxy, fault: Fault
) -> None:
    cloud = make_openstack()
    request = cloud.prepare(order())
    proxy.faults.append(Fault(on=fault.on, passed_on=fault.passed_on, answer=fault.answer))
    with pytest.raises(Unknown):
        cloud.launch(request)
    assert proxy.creates() == 1
    assert len(cloud.find("intent-1", order().token)) == int(fault.passed_on)
    (one,) = cloud.launch(request)
    assert list(states(cloud)) == [one.id]


def test_an_answer_that_comes_too_late_is_unknown_and_the_server_is_found_by_its_token(
    make_openstack: MakeOpenStack, proxy: Proxy
) -> None:
    cloud, slow = make_openstack(), make_openstack(timeout_s=1)
    assert states(slow) == {}
    proxy.faults.append(Fault(delay_s=2.0))
    with pytest.raises(Unknown):
        started(slow, order())
    within(20, "it is found", lambda: len(cloud.find("intent-1", order().token)) == 1)
    assert proxy.creates() == 1


def test_too_many_calls_are_throttled_and_nothing_was_started(make_openstack: MakeOpenStack, proxy: Proxy) -> None:
    cloud = make_openstack()
    proxy.faults.append(Fault(passed_on=False, answer=BUSY))
    with pytest.raises(Throttled):
        started(cloud, order())
    assert states(cloud) == {}


def test_a_launch_that_was_throttled_half_way_is_unknown_and_its_repeat_starts_only_what_lacks(
    make_openstack: MakeOpenStack, proxy: Proxy
) -> None:
    cloud = make_openstack()
    request = cloud.prepare(order(count=2))
    proxy.faults.append(second())
    with pytest.raises(Unknown, match="1 of 2 were started"):
        cloud.launch(request)
    assert [one.index for one in cloud.launch(request)] == [0, 1]
    assert len(states(cloud)) == 2


def test_no_room_comes_late_and_is_no_capacity_and_what_found_no_place_is_deleted(
    make_openstack: MakeOpenStack,
) -> None:
    cloud = make_openstack(flavor="m1.huge")
    with pytest.raises(NoCapacity, match="No valid host"):
        started(cloud, order(count=2))
    within(20, "nothing is left", lambda: set(states(cloud).values()) == {"terminated"})


def test_a_quota_gives_what_it_has_and_then_says_so(make_openstack: MakeOpenStack, proxy: Proxy) -> None:
    secrets = {"env:USER": "tiny", "env:PASSWORD": "secret"}
    cloud = make_openstack(account_of=account(proxy, **AS_TINY), secrets=secrets)
    two = started(cloud, order(count=3))
    if len(two) == 1:  # Nova looks twice, and three at once may put each other out
        two += started(cloud, order("intent-1b"))
    assert len(two) == 2
    with pytest.raises(Quota):
        started(cloud, order("intent-2"))
    cloud.end([one.id for one in two])
    within(20, "nothing is left", lambda: set(states(cloud).values()) == {"terminated"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flavor": "m1.tinny"}, "m1.tiny"),
        ({"image": "no-image"}, "no active image"),
        ({"networks": ["publik"]}, "network"),
        ({"server_group": "nobody"}, "server group"),
        ({"key_pair": "nobody"}, "key"),
        ({"zone": "nowhere"}, "zone"),
    ],
)
def test_what_is_not_there_is_refused_by_its_name(
    make_openstack: MakeOpenStack, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(Refused, match=said):
        started(make_openstack(**changes), order())


def test_a_wrong_secret_is_refused_and_so_is_one_that_cannot_be_read_by_its_name(
    make_openstack: MakeOpenStack, proxy: Proxy
) -> None:
    with pytest.raises(Refused, match="Keystone lets us not in"):
        states(make_openstack(secrets={"env:SECRET": "wrong"}))
    with pytest.raises(Refused, match="env:NOWHERE"):
        states(make_openstack(account_of=account(proxy, application_credential_secret="env:NOWHERE")))


def test_where_nothing_answers_nothing_is_proved(make_openstack: MakeOpenStack, proxy: Proxy) -> None:
    nowhere = account(proxy, auth_url="http://127.0.0.1:1/v3")
    with pytest.raises(Unknown):
        states(make_openstack(account_of=nowhere))


def test_a_listing_is_whole_over_pages_and_raises_where_one_fails(
    make_openstack: MakeOpenStack, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "PAGE", 2)
    cloud = make_openstack()
    ids = {one.id for one in started(cloud, order(count=5))}
    assert set(states(cloud)) == ids
    proxy.faults.append(Fault(on=lambda asked: "marker=" in asked.path, passed_on=False, answer=PAGE))
    with pytest.raises(CloudError):
        states(cloud)


def test_the_servers_of_others_count_where_an_account_has_limits_and_its_own_clouds_do_not(
    make_openstack: MakeOpenStack,
) -> None:
    mine, sibling = make_openstack("mine"), make_openstack("sibling")
    counting = make_openstack("mine", siblings=frozenset({"mine", "sibling"}))
    before = counting.listing(0.0)
    assert before.instances == ()
    started(mine, order("intent-1"))
    started(sibling, order("intent-2"))
    started(make_openstack("stranger"), order("intent-3", count=2))
    after = counting.listing(0.0)
    assert [one.intent for one in after.instances] == ["intent-1"]
    assert (after.foreign - before.foreign, after.foreign_cores - before.foreign_cores) == (2, 2)


def test_a_server_in_error_that_may_run_is_no_dead_one(make_openstack: MakeOpenStack, link: OpenStackLink) -> None:
    """Its state is not ours to set: what Nova tells is looked at as it is."""
    cloud = make_openstack()
    (one,) = started(cloud, order())
    within(20, "it runs", lambda: states(cloud)[one.id] == "running")
    link.call("compute", "POST", f"/servers/{one.id}/action", body={"pause": None})
    within(20, "it pauses", lambda: "PAUSED" in cloud.listing(0.0).instances[0].reason)
    assert states(cloud) == {one.id: "running"}


def test_a_live_check_finds_all_that_is_named(make_openstack: MakeOpenStack) -> None:
    found = {one.what: one for one in make_openstack().check()}
    assert {what for what, one in found.items() if one.ok} == {
        "credentials and listing", "version", "image", "shape", "network private", "quota",
    }  # fmt: skip
    assert found["launch"].ok is None


def test_a_live_check_names_what_is_wrong(make_openstack: MakeOpenStack) -> None:
    wrong = make_openstack(image="no-image", networks=["publik"], shape={"cpus": 4, "memory_mib": 512})
    found = {one.what: one for one in wrong.check()}
    assert [found[what].ok for what in ("image", "network publik", "shape")] == [False, False, False]


def test_user_data_reaches_nova_and_a_longer_one_is_packed(make_openstack: MakeOpenStack) -> None:
    cloud = make_openstack()
    long = Order(**{**_fields(order()), "user_data": "#cloud-config\n# " + "x" * 100_000})  # type: ignore[arg-type]
    assert len(started(cloud, long)) == 1
    with pytest.raises(Refused, match="shorter"):
        cloud.prepare(Order(**{**_fields(order()), "user_data": random.Random(1).randbytes(60_000).hex()}))  # type: ignore[arg-type]


def _fields(one: Order) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}
