"""Which startd is which VM."""

from actors.fleet.matching import match
from actors.fleet.vm import State
from tests.fleet.made import machine, vm


def test_a_startd_is_matched_by_its_instance_id_and_by_nothing_else() -> None:
    found = match([machine(name="any.name")], [vm()])
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


def test_two_startds_with_one_id_prove_nothing_for_either() -> None:
    found = match([machine(name="a"), machine(name="b")], [vm()])
    assert not found.machines
    assert found.doubtful["x-0"] == "2 startds advertise instance i-1: a and b"


def test_our_id_advertised_by_another_user_is_not_our_vm() -> None:
    found = match([machine(identity="mallory@lab")], [vm()], identities=("worker@*",))
    assert not found.machines
    assert found.strays[0].why == "advertised by mallory@lab; allowed: worker@*"


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
