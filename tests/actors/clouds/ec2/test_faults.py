"""What EC2 answers when something goes wrong, over real HTTP: each answer becomes the error that names its remedy."""

from __future__ import annotations

import threading
import time

import boto3
import pytest

from actors.clouds.ec2.cloud import Ec2
from actors.clouds.port import CloudError, NoCapacity, Quota, Refused, Throttled, Unknown
from deploy.lab.cloud.api import CloudApi
from deploy.lab.cloud.control import Control
from tests.actors.clouds.conformance import order, started
from tests.actors.clouds.conftest import MakeEc2
from tests.late import in_time


@pytest.fixture
def cloud(make_ec2: MakeEc2) -> Ec2:
    return make_ec2(timeout_s=3)


AFTER = ["delay", "fail_after", "garbage_after", "drop_after"]


@pytest.mark.parametrize("kind", AFTER)
def test_a_launch_whose_answer_is_lost_is_unknown_and_is_found_by_token_and_tag(
    kind: str, cloud: Ec2, control: Control
) -> None:
    control.fault(kind, seconds=5)  # type: ignore[arg-type]
    with pytest.raises(Unknown):
        started(cloud, order(count=2))
    assert [one.index for one in cloud.find("intent-1", order().token)] == [0, 1]


def test_a_launch_is_found_by_its_token_alone_where_its_tags_did_not_come(make_ec2: MakeEc2) -> None:
    """Tags may be set after the start, or be taken away by a person."""
    cloud = make_ec2(timeout_s=30)
    ids = [one.id for one in started(cloud, order(count=2))]
    with cloud._call() as client:
        client.delete_tags(Resources=ids)
    assert cloud.find("intent-1", order().token) == cloud.find("intent-9", order().token)
    assert [one.id for one in cloud.find("intent-1", order().token)] == ids


def test_a_launch_is_found_by_its_tag_where_the_cloud_forgot_the_token(make_ec2: MakeEc2) -> None:
    cloud = make_ec2(timeout_s=30)
    ids = [one.id for one in started(cloud, order(count=2))]
    assert [one.id for one in cloud.find("intent-1", "another-token")] == ids


class Generous:
    """Answers a launch with so many instances, whatever was asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def run_instances(self, **_: object) -> dict[str, object]:
        return {"Instances": [{"InstanceId": f"i-{n}", "State": {"Name": "pending"}} for n in range(self._count)]}

    def close(self) -> None: ...


@pytest.mark.parametrize("count", [0, 3])
def test_an_answer_with_none_or_more_instances_than_asked_for_is_no_answer_to_this_launch(
    cloud: Ec2, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "_made", Generous(count))
    with pytest.raises(Unknown, match=f"asked for 2 instances, the answer has {count}"):
        started(cloud, order(count=2))


@pytest.mark.parametrize("kind", AFTER)
def test_a_launch_repeated_after_a_lost_answer_starts_nothing_new(kind: str, cloud: Ec2, control: Control) -> None:
    request = cloud.prepare(order(count=2))
    control.fault(kind, seconds=5)  # type: ignore[arg-type]
    with pytest.raises(Unknown):
        cloud.launch(request)
    again = cloud.launch(request)
    assert {one.id for one in again} == {one.id for one in cloud.listing(1.0).instances}
    assert len(again) == 2


def test_a_launch_that_never_arrived_is_unknown_too_and_may_be_repeated(cloud: Ec2, control: Control) -> None:
    control.fault("drop_before")
    with pytest.raises(Unknown):
        started(cloud, order())
    assert cloud.find("intent-1", order().token) == ()
    assert len(started(cloud, order())) == 1


def test_one_call_is_one_request(cloud: Ec2, control: Control) -> None:
    control.fault("refuse", times=9, status=503, code="Unavailable")
    with pytest.raises(Unknown):
        started(cloud, order())
    assert [fault.times for fault in control.faults()] == [8]


def test_a_call_ends_at_its_time_limit(cloud: Ec2, control: Control) -> None:
    control.fault("delay", action="DescribeInstances", seconds=10)
    before = time.monotonic()
    with pytest.raises(Unknown):
        cloud.listing(1.0)
    in_time(8, before, "it is over")


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        ("InsufficientInstanceCapacity", 500, NoCapacity),
        ("VcpuLimitExceeded", 400, Quota),
        ("MaxSpotInstanceCountExceeded", 400, Quota),
        ("RequestLimitExceeded", 503, Throttled),
        ("UnauthorizedOperation", 403, Refused),
        ("InvalidParameterValue", 400, Refused),
    ],
)
def test_a_refusal_is_sure_and_nothing_was_started(
    code: str, status: int, remedy: type[CloudError], cloud: Ec2, control: Control
) -> None:
    control.fault("refuse", code=code, status=status)
    with pytest.raises(remedy) as caught:
        started(cloud, order())
    assert caught.value.code == code
    assert cloud.listing(1.0).instances == ()


def test_a_nearly_full_cloud_starts_what_fits_and_a_full_one_nothing(make_ec2: MakeEc2, control: Control) -> None:
    control.set(capacity={"c5.large": 2})
    cloud = make_ec2(instance_type="c5.large")
    assert len(started(cloud, order("intent-1", count=3))) == 2
    with pytest.raises(NoCapacity):
        started(cloud, order("intent-2"))
    assert len(cloud.listing(1.0).instances) == 2


def test_a_spot_offer_below_the_market_is_no_capacity(make_ec2: MakeEc2, control: Control) -> None:
    control.set(usd_per_hour={"c4.large": 0.1})
    with pytest.raises(NoCapacity):
        started(make_ec2(market="spot", max_usd_per_hour=0.09, instance_type="c4.large"), order())
    started(make_ec2(market="spot", max_usd_per_hour=0.1, instance_type="c4.large"), order())


def test_an_image_that_is_not_there_is_refused(make_ec2: MakeEc2) -> None:
    with pytest.raises(Refused, match="ami-00000000"):
        started(make_ec2(image="ami-00000000"), order())


def test_a_listing_that_fails_on_any_page_raises(cloud: Ec2, control: Control) -> None:
    started(cloud, order())
    for kind in ("fail_after", "garbage_after", "drop_before", "drop_after"):
        control.fault(kind, action="DescribeInstances")  # type: ignore[arg-type]
        with pytest.raises(Unknown):
            cloud.listing(1.0)
    assert len(cloud.listing(1.0).instances) == 1


def test_well_formed_xml_that_is_not_ec2s_is_no_empty_listing(cloud: Ec2, control: Control) -> None:
    control.fault("page_after", action="DescribeInstances")
    with pytest.raises(Unknown, match="Reservations"):
        cloud.listing(1.0)


def test_well_formed_xml_that_is_not_ec2s_is_no_launch_and_no_end(cloud: Ec2, control: Control) -> None:
    control.fault("page_after")
    with pytest.raises(Unknown, match="Instances"):
        started(cloud, order())
    (one,) = cloud.find("intent-1", order().token)
    control.fault("page_after", action="TerminateInstances")
    with pytest.raises(Unknown, match="TerminatingInstances"):
        cloud.end([one.id])


def test_an_api_that_is_not_there_is_unknown(make_ec2: MakeEc2) -> None:
    with pytest.raises(Unknown, match="no answer"):
        make_ec2(endpoint="http://127.0.0.1:9").listing(1.0)


def test_credentials_that_are_refused_are_read_again_for_the_next_call(make_ec2: MakeEc2, control: Control) -> None:
    secrets = {"env:KEY": "old", "env:SECRET": "secret"}
    cloud = make_ec2(secrets=secrets)
    assert cloud.listing(1.0).instances == ()
    control.set(access_keys=["new"])
    with pytest.raises(Refused, match="AuthFailure"):
        cloud.listing(1.0)
    secrets["env:KEY"] = "new"
    assert cloud.listing(1.0).instances == ()


def test_a_secret_that_is_not_there_is_refused_and_named(make_ec2: MakeEc2) -> None:
    with pytest.raises(Refused, match="env:KEY"):
        make_ec2(secrets={}).listing(1.0)


def test_a_request_with_a_word_that_ec2_does_not_know_is_refused_before_it_is_sent(make_ec2: MakeEc2) -> None:
    with pytest.raises(Refused, match="nothing was sent"):
        started(make_ec2(request={"EbsOptimised": True}), order())


def test_the_newest_instance_may_be_missing_from_a_listing_and_is_found_later(cloud: Ec2, control: Control) -> None:
    started(cloud, order())
    control.fault("hide_newest", action="DescribeInstances")
    assert cloud.listing(1.0).instances == ()
    assert len(cloud.listing(2.0).instances) == 1


def test_a_cloud_is_used_from_many_threads(cloud: Ec2) -> None:
    launched: list[str] = []

    def launch(number: int) -> None:
        launched.extend(one.id for one in started(cloud, order(f"intent-{number}", count=2)))

    threads = [threading.Thread(target=launch, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(launched)) == 16
    assert {one.id for one in cloud.listing(1.0).instances} == set(launched)


def test_a_listing_takes_all_pages(cloud: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.clouds.ec2.cloud._PAGE", 5)
    for number in range(12):
        started(cloud, order(f"intent-{number}"))
    assert len(cloud.listing(1.0).instances) == 12


def test_others_instances_are_counted_only_when_asked_for(make_ec2: MakeEc2) -> None:
    counting, other = make_ec2("private", count_foreign=True), make_ec2("public")
    before = counting.listing(1.0).foreign
    (one, _) = started(other, order(count=2))
    other.end([one.id])
    started(counting, order("intent-2"))
    assert counting.listing(1.0).foreign == before + 1
    assert other.listing(1.0).foreign == 0


def test_one_protected_instance_does_not_keep_the_others_alive(cloud: Ec2, ec2_api: CloudApi) -> None:
    launched = [one.id for one in started(cloud, order(count=5))]
    operator = boto3.client(
        "ec2", endpoint_url=ec2_api.endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    operator.modify_instance_attribute(InstanceId=launched[2], DisableApiTermination={"Value": True})
    assert set(cloud.end(launched)) == set(launched) - {launched[2]}
    assert {one.id for one in cloud.listing(1.0).instances if not one.dead} == {launched[2]}
    with pytest.raises(Refused, match="OperationNotPermitted"):
        cloud.end([launched[2]])


def test_an_end_of_which_nothing_was_accepted_says_why(cloud: Ec2, control: Control) -> None:
    (one,) = started(cloud, order())
    control.fault("refuse", action="TerminateInstances", code="UnauthorizedOperation", status=403)
    with pytest.raises(Refused, match="UnauthorizedOperation"):
        cloud.end([one.id])
    assert not cloud.listing(1.0).instances[0].dead


def test_ends_go_out_in_batches(cloud: Ec2, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.clouds.ec2.cloud._BATCH", 2)
    launched = [one.id for one in started(cloud, order(count=5))]
    control.fault("refuse", action="TerminateInstances", code="Unavailable", status=503)
    assert set(cloud.end(launched)) == set(launched[2:])  # the first batch failed, the others were asked for
    assert set(cloud.end(launched)) == set(launched)


def test_a_live_check_finds_a_good_configuration_good(make_ec2: MakeEc2) -> None:
    found = make_ec2().check()
    assert [(one.what, one.ok) for one in found] == [
        ("credentials and listing", True),
        ("image", True),
        ("shape", None),
        ("launch", True),
    ]


@pytest.mark.parametrize(
    ("shape", "ok", "seen"),
    [
        ({"cpus": 2, "memory_mib": 8_000}, True, "m5.large has all that it says"),
        ({"cpus": 4, "memory_mib": 8_000}, False, "m5.large has 2 cpus where its shape says 4"),
        ({"cpus": 2, "memory_mib": 16_384}, False, "8192 MiB of memory where its shape says 16384"),
        ({"cpus": 2, "memory_mib": 8_000, "gpus": 1}, False, "0 gpus where its shape says 1"),
        ({"cpus": 1, "memory_mib": 4_000}, None, "2 cpus where its shape says 1: more VMs"),
    ],
)
def test_a_live_check_compares_the_shape_with_the_machine_type(
    make_ec2: MakeEc2, shape: dict[str, int], ok: bool | None, seen: str
) -> None:
    by_name = {one.what: one for one in make_ec2(shape=shape, instance_type="m5.large").check()}
    assert (by_name["shape"].ok, seen in by_name["shape"].text) == (ok, True), by_name["shape"].text


def test_a_shape_that_cannot_be_compared_is_no_mistake(make_ec2: MakeEc2, control: Control) -> None:
    control.fault("refuse", action="DescribeInstanceTypes", code="UnauthorizedOperation", status=403)
    by_name = {one.what: one for one in make_ec2().check()}
    assert by_name["shape"].ok is None
    assert "not told" in by_name["shape"].text


def test_a_live_check_starts_nothing(make_ec2: MakeEc2, control: Control) -> None:
    before = len(control.ledger())
    make_ec2().check()
    assert len(control.ledger()) == before


def test_a_live_check_names_what_is_wrong(make_ec2: MakeEc2, control: Control) -> None:
    by_name = {one.what: one for one in make_ec2(image="ami-00000000").check()}
    assert by_name["image"].ok is False
    assert "ami-00000000" in by_name["image"].text
    control.set(access_keys=["another"])
    (only,) = make_ec2().check()
    assert (only.ok, "AuthFailure" in only.text) == (False, True)


def test_a_live_check_never_launches_where_dry_run_is_not_heeded(make_ec2: MakeEc2, control: Control) -> None:
    control.set(heeds_dry_run=False)
    before = len(control.ledger())
    by_name = {one.what: one for one in make_ec2().check()}
    assert by_name["launch"].ok is None
    assert len(control.ledger()) == before


def test_a_spot_end_and_a_crash_are_told_with_their_reason(cloud: Ec2, control: Control, ec2_api: CloudApi) -> None:
    assert ec2_api.endpoint
    taken, crashed = started(cloud, order(count=2))
    control.end_from_inside(taken.id, "spot")
    control.end_from_inside(crashed.id, "crash")
    reasons = {one.id: one.reason for one in cloud.listing(1.0).instances}
    assert "Spot" in reasons[taken.id]
    assert "Internal error" in reasons[crashed.id]


def test_an_instance_on_its_way_down_is_not_dead_yet(cloud: Ec2, control: Control) -> None:
    control.set(ending_s=30)
    (one,) = started(cloud, order())
    cloud.end([one.id])
    (seen,) = cloud.listing(1.0).instances
    assert (seen.state, seen.dead) == ("ending", False)
