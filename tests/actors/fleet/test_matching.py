"""Which startd is which VM."""

from actors.fleet.matching import match
from actors.fleet.vm import State
from tests.actors.fleet.made import machine, vm


def test_a_startd_is_matched_by_its_instance_id_and_by_nothing_else() -> None:
    found = match([machine(name="any.name")], [vm(State.BOOTING)])
    assert found.machines["x-0"].name == "any.name"
    assert not found.strays


def test_an_ad_without_an_id_is_a_stray() -> None:
    (stray,) = match([machine(instance_id="")], [vm()]).strays
    assert stray.why == "advertises no instance id"


def test_a_foreign_id_is_a_stray_that_counts_as_unmatched_of_its_queue() -> None:
    found = match([machine(instance_id="i-other")], [vm()])
    assert "i-other" in found.strays[0].why
    assert found.unmatched_of("atlas") == 1
    assert found.unmatched_of("cms") == 0


def test_a_worker_of_another_factory_is_none_that_ours_may_be() -> None:
    """Two factories in one pool may both have a queue `atlas`; one that does not say whose it is may be ours."""
    for factory, counted in (("beta", 0), ("alpha", 1), ("", 1)):
        found = match([machine(instance_id="i-other", factory=factory)], [vm()], factory="alpha")
        assert found.unmatched_of("atlas") == counted


def test_a_stray_that_nobody_who_may_advertised_is_none_that_ours_may_be() -> None:
    found = match([machine(instance_id="i-other", identity="eve@x")], [vm()], ("worker@*",))
    assert found.unmatched_of("atlas") == 0
    assert (
        match([machine(instance_id="i-other", identity="worker@x")], [vm()], ("worker@*",)).unmatched_of("atlas") == 1
    )


def test_two_startds_with_one_id_prove_nothing_for_either() -> None:
    found = match([machine(name="a"), machine(name="b")], [vm()])
    assert not found.machines
    assert found.doubtful["x-0"] == "2 startds advertise instance i-1: a and b"


def test_the_only_startd_with_an_id_proves_nothing_where_the_vm_joined_as_another() -> None:
    """Its own ad may be missing just now; a campaign ended a busy VM on the word of the one that was left."""
    found = match([machine(name="liar", address="<10.9.9.9:1>")], [vm(address="10.0.0.5")])
    assert not found.machines
    assert found.doubtful["x-0"] == "startd liar advertises instance i-1, which joined as worker"


def test_of_two_startds_the_one_at_the_instances_own_address_is_the_vms() -> None:
    liar = machine(name="liar", address="<10.9.9.9:1>")
    for claims in ([machine(), liar], [liar, machine()]):
        found = match(claims, [vm(address="10.0.0.5")])
        assert found.machines["x-0"].name == "worker"
        assert not found.doubtful


def test_a_machine_of_another_name_than_it_joined_by_is_not_the_vms_even_at_its_address() -> None:
    """Schedds know its jobs by the name that it had: they could not say any more whether one runs there."""
    for known in (vm(address="10.0.0.5"), vm()):
        found = match([machine(name="renamed")], [known])
        assert not found.machines
        assert found.doubtful["x-0"] == "startd renamed advertises instance i-1, which joined as worker"


def test_the_only_startd_with_the_name_and_id_is_not_the_vms_at_another_address() -> None:
    found = match([machine(address="<10.9.9.9:1?CCBID=10.0.0.5:9618>")], [vm(address="10.0.0.5")])
    assert not found.machines
    told = "startd worker advertises instance i-1, which joined as worker at 10.0.0.5, not 10.9.9.9"
    assert found.doubtful["x-0"] == told


def test_a_startd_that_restarted_at_another_port_is_the_vms() -> None:
    assert match([machine(address="<10.0.0.5:4711>")], [vm()]).machines


def test_two_startds_at_one_address_prove_nothing() -> None:
    found = match([machine(name="a"), machine(name="b")], [vm(address="10.0.0.5")])
    assert not found.machines
    assert found.doubtful


def test_our_id_advertised_by_another_user_is_not_our_vm() -> None:
    found = match([machine(identity="mallory@lab")], [vm()], identities=("worker@*",))
    assert not found.machines
    assert found.strays[0].why == "advertised by mallory@lab; allowed: worker@*"
    assert found.impostors == {"x-0": "startd worker is advertised by mallory@lab; allowed: worker@*"}


def test_the_allowed_user_is_matched() -> None:
    assert match([machine(identity="worker@lab")], [vm()], identities=("worker@*",)).machines


def test_the_ad_of_an_ended_vm_lingers_without_being_a_stray() -> None:
    found = match([machine()], [vm(State.ENDED)])
    assert not found.machines
    assert not found.strays


def test_of_two_rows_with_one_instance_the_living_one_gets_the_ad_whatever_their_order() -> None:
    """An instance was stopped, which ended its row, and somebody started it again: it was adopted."""
    ended, adopted = vm(State.ENDED), vm(id="adopted-i-1")
    for rows in ([ended, adopted], [adopted, ended]):
        assert set(match([machine()], rows).machines) == {"adopted-i-1"}


def test_two_startds_at_the_instances_own_address_are_no_evidence_for_either() -> None:
    booting = vm(State.BOOTING, address="10.0.0.5")
    for pair in ((machine(), machine(name="other")), (machine(name="other"), machine())):
        matched = match(pair, [booting])
        assert (dict(matched.machines), list(matched.doubtful)) == ({}, ["x-0"])


def test_a_startd_that_says_what_no_machine_can_mean_is_no_evidence_and_is_named() -> None:
    found = match([machine(damaged="slot1@worker says Cpus -1; a slot has from 0 to 16384")], [vm()])
    assert (dict(found.machines), found.strays) == ({}, ())
    assert found.doubtful["x-0"].endswith("says Cpus -1; a slot has from 0 to 16384")
