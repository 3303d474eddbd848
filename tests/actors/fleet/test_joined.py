"""What joined is held against what was promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.joined import NEWEST, Joined, Offer, agreed, counted, taught
from actors.fleet.shape import Shape
from actors.fleet.vm import State
from actors.store.codec import pack, unpack
from tests.actors.fleet.made import machine, vm

NOTHING = Joined(promise="p")
PROMISED = Shape(cpus=4, memory_mib=8_000, disk_mib=10_000)

shapes = st.builds(
    Shape,
    cpus=st.integers(1, 64),
    memory_mib=st.integers(0, 10**6),
    disk_mib=st.integers(0, 10**6),
    gpus=st.integers(0, 8),
)
offers = st.lists(
    st.builds(
        Offer,
        vm=st.text(min_size=1, max_size=3),
        joined=st.floats(1, 10**9),
        cpus=st.integers(1, 64),
        memory_mib=st.integers(0, 10**6),
    ),
    max_size=NEWEST,
    unique_by=lambda offer: offer.vm,
).map(tuple)


def offer(name: str, cpus: int, joined: float = 1.0) -> Offer:
    return Offer(vm=name, joined=joined, cpus=cpus, memory_mib=8_000, disk_mib=10_000)


def test_before_a_worker_joined_the_promise_counts() -> None:
    assert counted(PROMISED, None) == PROMISED
    assert counted(PROMISED, NOTHING) == PROMISED


def test_the_first_worker_that_is_smaller_counts_at_once() -> None:
    assert counted(PROMISED, Joined(promise="p", offers=(offer("a", 1),))).cpus == 1


def test_one_worker_of_five_that_is_broken_is_outvoted() -> None:
    names = [offer(name, 0 if name == "c" else 4) for name in "abcde"]
    assert counted(PROMISED, Joined(promise="p", offers=tuple(names))).cpus == 4


@given(promised=shapes, told=offers)
def test_what_counts_is_never_more_than_was_promised(promised: Shape, told: tuple[Offer, ...]) -> None:
    assert promised.holds(counted(promised, Joined(promise="p", offers=told)))


@given(promised=shapes, real=shapes)
def test_what_fits_into_what_counts_fits_into_the_worker_that_joined(promised: Shape, real: Shape) -> None:
    one = vm(promise="p")
    joined = taught(NOTHING, [(one, machine(whole=real))])
    assert real.holds(counted(promised, joined))


@given(told=offers)
def test_a_row_of_it_is_read_as_it_was_written(told: tuple[Offer, ...]) -> None:
    joined = Joined(promise="p", offers=told, attributes={"Microarch": '"x86_64-v3"'})
    assert unpack(Joined, pack(joined)) == joined


def test_only_ready_workers_of_this_promise_that_tell_all_they_have_are_heard() -> None:
    whole = Shape(cpus=1)
    deaf = [
        (vm(promise="another"), machine(whole=whole)),
        (vm(promise=""), machine(whole=whole)),
        (vm(State.BOOTING, promise="p"), machine(whole=whole)),
        (vm(promise="p"), machine(whole=None)),
    ]
    assert taught(NOTHING, deaf) is NOTHING
    assert taught(NOTHING, [(vm(promise="p"), machine(whole=whole))]).shape == whole


def test_the_newest_few_are_kept_each_once() -> None:
    joined = NOTHING
    for at in range(2 * NEWEST):
        one = vm(id=f"x-{at}", promise="p", joined=float(at))
        joined = taught(joined, [(one, machine(whole=Shape(cpus=1)))])
        assert taught(joined, [(one, machine(whole=Shape(cpus=64)))]) is joined
    assert [offer.vm for offer in joined.offers] == [f"x-{at}" for at in range(NEWEST, 2 * NEWEST)]


ads = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"), max_size=3), min_size=1, max_size=NEWEST)


@given(told=ads)
def test_what_most_workers_advertise_is_learned_and_what_most_do_not_is_not(told: list[dict[str, str]]) -> None:
    found = agreed({}, told)
    for name in "abc":
        most = [text for text in "123" if 2 * sum(ad.get(name) == text for ad in told) > len(told)]
        if most:
            assert found[name] == most[0]
        if 2 * sum(name not in ad for ad in told) > len(told):
            assert name not in found


def test_one_worker_alone_changes_nothing_that_was_learned_of_others_two_do() -> None:
    before, other = {"Site": '"a"'}, {"Site": '"b"', "Extra": "1"}
    assert agreed(before, [other]) == before
    assert agreed(before, [other, other]) == other


def test_names_are_one_however_they_are_spelled() -> None:
    assert list(agreed({"site": "1"}, [{"SITE": "1"}])) == ["site"]
