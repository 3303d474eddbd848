"""A VM's drain and hold are values here, and words in its row, as hosts of 0.1.0 read and write them."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import AGE, POLICY, POLICY_FINAL, DrainFor, DrainWhy, HoldBy, VmHold, by_wish
from actors.fleet.vm import Vm
from actors.store.codec import BadRow, pack, unpack
from tests.actors.fleet.made import vm

WORDS = st.text(min_size=1, max_size=20)
DRAINS = st.one_of(
    st.sampled_from([POLICY_FINAL, *(DrainFor(why) for why in DrainWhy if why not in (DrainWhy.WISH, DrainWhy.OTHER))]),
    WORDS.map(by_wish),
)
IDS = st.from_regex(r"[a-f0-9]{8}", fullmatch=True)
TIMES = st.floats(0, 1e9)
HOLDS = st.one_of(
    st.builds(VmHold, why=WORDS, wish_id=IDS, until=TIMES),
    st.builds(VmHold, why=WORDS, by=st.sampled_from([HoldBy.TAG, HoldBy.BLACK_HOLE]), at=TIMES, until=TIMES),
)


def row(**said: object) -> dict[str, object]:
    """The row of a VM, with what is said besides."""
    found: dict[str, object] = msgpack.unpackb(pack(vm()))
    return found | said


def read(**said: object) -> Vm:
    return unpack(Vm, msgpack.packb(row(**said)))


@given(st.none() | DRAINS, st.none() | HOLDS)
def test_what_is_written_is_read_again(drain: DrainFor | None, hold: VmHold | None) -> None:
    one = vm(drain_for=drain, hold=hold)
    assert unpack(Vm, pack(one)) == one


@pytest.mark.parametrize(
    ("drain", "word"),
    [
        (POLICY, "policy"),
        (POLICY_FINAL, "policy, final"),
        (by_wish("w-1"), "wish:w-1"),
        (AGE, "age"),
        (DrainFor(DrainWhy.BLACK_HOLE), "black hole"),
    ],
)
def test_a_drain_is_a_word_in_the_row(drain: DrainFor, word: str) -> None:
    assert msgpack.unpackb(pack(vm(drain_for=drain)))["drain_for"] == word == str(drain)
    assert read(drain_for=word).drain_for == drain


@pytest.mark.parametrize(
    ("hold", "fields"),
    [
        (VmHold(why="hold by ada: look", wish_id="w-1", until=9.0), {"held_for": "w-1", "held_until": 9.0}),
        (VmHold(why="a tag", by=HoldBy.TAG, at=5.0), {"held_for": "tag", "held_at": 5.0}),
        (VmHold(why="eats jobs", by=HoldBy.BLACK_HOLE, at=5.0), {"held_for": "black hole", "held_at": 5.0}),
        (VmHold(why="by nobody known"), {}),
    ],
)
def test_a_hold_is_fields_of_the_row(hold: VmHold, fields: dict[str, object]) -> None:
    written = msgpack.unpackb(pack(vm(hold=hold)))
    assert written == row(held=hold.why, **fields)
    assert read(held=hold.why, **fields).hold == hold


def test_a_reason_of_a_later_version_is_kept_and_is_not_policys() -> None:
    one = read(drain_for="moon, final")
    assert (one.drain_for and one.drain_for.why, one.given_up, one.drain_wish) == (DrainWhy.OTHER, False, "")
    assert msgpack.unpackb(pack(one))["drain_for"] == "moon, final"


@pytest.mark.parametrize(
    "damage",
    [
        {"drain_for": 7},
        {"drain_for": ["policy"]},
        {"held": "x", "held_for": 7},
        {"held": 7},
        {"held": "x", "held_at": "y"},
    ],
)
def test_a_damaged_drain_or_hold_is_a_damaged_row(damage: dict[str, object]) -> None:
    with pytest.raises(BadRow):
        read(**damage)
