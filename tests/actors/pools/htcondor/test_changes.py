"""Of startds only what changed is fetched whole and told, and with what was told before that is all there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.pools.htcondor.child_lanes import Lane

Ads = tuple[str, ...]
Told = tuple[dict[str, str], list[str], list[tuple[str, int]]]  # states by startd, startds that are gone, queries

_SLOT, _STATE = 8, 9  # of a row
STAMPED = "UpdateSequenceNumber = 1; LastHeardFrom = 100"


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    made = Lane("tests.actors.pools.htcondor.ad_tasks", (), most=2, limit_s=20)
    yield made
    made.close()


def ad(name: str, state: str = "Unclaimed", number: int = 1, heard: int = 100) -> str:
    return unstamped(name, state, f"UpdateSequenceNumber = {number}; LastHeardFrom = {heard}")


def unstamped(name: str, state: str = "Unclaimed", updated: str = "") -> str:
    return f'[ Name = "slot1@{name}"; MyAddress = "<{name}>"; CloudInstanceID = "i"; State = "{state}"; {updated} ]'


def read(lane: Lane, *readings: Ads | list[Ads]) -> list[Told]:
    """What each of these readings tells. A list is what the collector has at each of its queries."""
    moments = (tuple(reading) if isinstance(reading, list) else (reading,) for reading in readings)
    answers: Iterator[Any] = lane.stream("changes", *moments)
    return [
        ({row[0]: row[_STATE] for row in rows}, [name for name, _, _ in gone], asked) for rows, gone, asked in answers
    ]


THREE = (ad("a"), ad("b"), ad("c"))
B_CAME = (ad("a"), ad("b", "Claimed", number=2, heard=105), ad("c"))


def test_a_first_reading_tells_all(lane: Lane) -> None:
    (told,) = read(lane, THREE)
    assert told == (dict.fromkeys("abc", "Unclaimed"), [], [("stamps", 3), ("all", 3)])


def test_where_nothing_changed_only_stamps_are_fetched(lane: Lane) -> None:
    assert read(lane, THREE, THREE)[1] == ({}, [], [("stamps", 3)])


def test_of_what_came_since_all_is_fetched_and_of_the_others_only_stamps(lane: Lane) -> None:
    assert read(lane, THREE, B_CAME)[1] == ({"b": "Claimed"}, [], [("stamps", 3), ("all", 1)])


@pytest.mark.parametrize(("number", "heard"), [(8, 100), (7, 101)])
def test_an_ad_that_came_anew_is_told_if_it_says_something_new(lane: Lane, number: int, heard: int) -> None:
    before = (ad("a"), ad("b", number=7))
    same, other = ((ad("a"), ad("b", state, number, heard)) for state in ("Unclaimed", "Claimed"))
    assert read(lane, before, same)[1][0] == {}
    assert read(lane, before, other)[1][0] == {"b": "Claimed"}


def test_what_others_merged_into_an_ad_shows_with_its_startds_next_one(lane: Lane) -> None:
    merged, next_one = (ad("a", "Claimed"),), (ad("a", "Claimed", number=2),)
    assert [told for told, _, _ in read(lane, (ad("a"),), merged, next_one)] == [
        {"a": "Unclaimed"}, {}, {"a": "Claimed"},
    ]  # fmt: skip


@pytest.mark.parametrize("updated", ["", "LastHeardFrom = 100", 'UpdateSequenceNumber = {1}; LastHeardFrom = "x"'])
def test_an_ad_that_does_not_say_how_often_it_was_sent_is_compared(lane: Lane, updated: str) -> None:
    before, now = ((ad("a"), unstamped("w", state, updated)) for state in ("Unclaimed", "Claimed"))
    _, same, changed = read(lane, before, before, now)
    assert (same[0], changed[0]) == ({}, {"w": "Claimed"})


def test_a_startd_that_joins_or_leaves_does_so_in_the_next_reading(lane: Lane) -> None:
    told, gone, _ = read(lane, THREE, (ad("a"), ad("c"), ad("d", "Claimed", heard=103)))[1]
    assert (told, gone) == ({"d": "Claimed"}, ["b"])


def test_a_slot_of_another_address_is_another_slot(lane: Lane) -> None:
    moved = ad("b", number=2, heard=105).replace("<b>", "<b2>")
    told, gone, _ = read(lane, THREE, (ad("a"), moved, ad("c")))[1]
    assert (told, gone) == ({"b": "Unclaimed"}, ["b"])


def test_what_joins_or_comes_between_the_two_queries_is_told_by_the_next_reading(lane: Lane) -> None:
    later = (ad("a", "Claimed", number=2, heard=106), *B_CAME[1:], ad("d", heard=106))
    _, first, second = read(lane, THREE, [B_CAME, later], later)
    assert first[0] == {"b": "Claimed"}
    assert second[0] == {"a": "Claimed", "d": "Unclaimed"}


def test_one_that_changes_again_between_the_two_queries_is_told_as_it_is_then(lane: Lane) -> None:
    again = (ad("a"), ad("b", "Owner", number=3, heard=106), ad("c"))
    _, first, second = read(lane, THREE, [B_CAME, again], again)
    assert (first[0], second[0]) == ({"b": "Owner"}, {})


def test_a_collectors_clock_that_is_set_back_hides_nothing(lane: Lane) -> None:
    set_back = (ad("a"), ad("b", "Owner", number=3, heard=5), ad("c"))
    told, gone, asked = read(lane, THREE, [B_CAME, set_back])[1]
    assert (told, gone) == ({"b": "Owner"}, [])
    assert asked == [("stamps", 3), ("all", 0), ("all", 3)]


def test_one_that_leaves_between_the_two_queries_is_gone(lane: Lane) -> None:
    _, (told, gone, _), (again, _, _) = read(lane, THREE, [B_CAME, (ad("a"), ad("c"))], B_CAME)
    assert (told, gone) == ({}, ["b"])
    assert again == {"b": "Claimed"}


@pytest.mark.parametrize(
    "name", ['strcat("slot1@", Site)', '"slot1@tab\\there"', '"slot1@a\\"b"', "undefined", "7", "Missing"]
)
@pytest.mark.parametrize("address", ['"<a>"', "undefined", "{1}", 'strcat("<", Site, ">")'])
def test_what_is_gone_is_named_as_it_was_told_whatever_it_calls_itself(lane: Lane, name: str, address: str) -> None:
    odd = f'[ Name = {name}; MyAddress = {address}; Site = "x"; CloudInstanceID = "i"; {STAMPED} ]'
    (rows, _, _), (_, gone, _) = lane.stream("changes", ((odd,),), ((),))
    assert gone == [(row[0], row[1], row[_SLOT]) for row in rows]
    assert len(gone) == 1


WORLDS = st.lists(  # one after the other: by name, the state of each startd, and whether it sent an ad since
    st.dictionaries(st.sampled_from("abcde"), st.tuples(st.sampled_from(["Unclaimed", "Claimed"]), st.booleans())),
    min_size=2,
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(WORLDS)
def test_what_was_told_since_the_first_reading_is_what_the_ads_say(
    lane: Lane, worlds: list[dict[str, tuple[str, bool]]]
) -> None:
    sent: dict[str, tuple[str, int]] = {}
    readings = []
    for number, world in enumerate(worlds):
        sent = {
            name: (state, number) if new or name not in sent else sent[name] for name, (state, new) in world.items()
        }
        readings.append(sent)
    ads = [tuple(ad(name, state, n, 100 + n) for name, (state, n) in sent.items()) for sent in readings]
    known: dict[str, str] = {}
    for sent, (told, gone, _) in zip(readings, read(lane, *ads), strict=True):
        known = {name: state for name, state in (known | told).items() if name not in gone}
        assert known == {name: state for name, (state, _) in sent.items()}
