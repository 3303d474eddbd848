"""A division: higher priority first, then by shares, nothing wasted, nothing beyond what is asked."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.policies.fair_share import Ask, AskOfFactory, divide, factory_share, short
from actors.policies.limits import Limit, Usage


def ask(queue: str, asked: int, priority: int = 0, share: float = 1.0) -> Ask:
    return Ask(queue=queue, asked=asked, priority=priority, share=share)


@pytest.mark.parametrize(
    ("room", "asks", "given_"),
    [
        (40, [ask("a", 10), ask("b", 20)], {"a": 10, "b": 20}),
        (40, [ask("a", 99), ask("b", 99)], {"a": 20, "b": 20}),
        (40, [ask("a", 99, share=3), ask("b", 99)], {"a": 30, "b": 10}),
        (40, [ask("a", 5, share=3), ask("b", 99), ask("c", 99)], {"a": 5, "b": 18, "c": 17}),
        (40, [ask("a", 30, priority=1), ask("b", 99), ask("c", 2)], {"a": 30, "b": 8, "c": 2}),
        (40, [ask("a", 50, priority=1), ask("b", 99)], {"a": 40, "b": 0}),
        (0, [ask("a", 1), ask("b", 1)], {"a": 0, "b": 0}),
        (1, [ask("b", 1), ask("a", 1)], {"a": 1, "b": 0}),
    ],
)
def test_divisions(room: int, asks: list[Ask], given_: dict[str, int]) -> None:
    assert divide(room, asks) == given_


def test_only_who_gets_less_than_it_asks_for_is_told_its_share() -> None:
    assert short(40, [ask("a", 5), ask("b", 99), ask("c", 99)]) == {"b": 18, "c": 17}
    assert short(40, [ask("a", 5), ask("b", 35)]) == {}


amounts = st.integers(0, 60)
asks_of_many = st.lists(
    st.tuples(amounts, st.integers(-1, 1), st.sampled_from([0.1, 1.0, 1 / 3, 2.0, 7.0])), min_size=1, max_size=7
).map(lambda rows: [ask(f"q{i}", n, p, s) for i, (n, p, s) in enumerate(rows)])


@given(amounts, asks_of_many, st.randoms(use_true_random=False))
def test_nothing_is_wasted_nothing_beyond_an_ask_and_the_order_of_queues_does_not_matter(
    room: int, asks: list[Ask], chance: random.Random
) -> None:
    parts = divide(room, asks)
    assert all(0 <= parts[one.queue] <= one.asked for one in asks)
    assert sum(parts.values()) == min(room, sum(one.asked for one in asks))
    assert divide(room, chance.sample(asks, len(asks))) == parts


@given(amounts, asks_of_many)
def test_a_lower_priority_gets_only_what_a_higher_one_leaves(room: int, asks: list[Ask]) -> None:
    parts = divide(room, asks)
    for high in asks:
        for low in asks:
            if high.priority > low.priority and parts[high.queue] < high.asked:
                assert parts[low.queue] == 0


@given(amounts, asks_of_many)
def test_inside_a_priority_nobody_could_get_one_more_without_passing_who_is_served_less(
    room: int, asks: list[Ask]
) -> None:
    parts = divide(room, asks)
    for poor in asks:
        for rich in asks:
            if poor.priority == rich.priority and parts[poor.queue] < poor.asked and parts[rich.queue] > 0:
                assert (parts[poor.queue] + 1) / poor.share >= parts[rich.queue] / rich.share - 1e-6


@given(amounts, asks_of_many, st.integers(0, 6), st.integers(1, 20))
def test_more_room_or_a_higher_ask_never_gives_less(room: int, asks: list[Ask], which: int, more: int) -> None:
    parts = divide(room, asks)
    assert all(divide(room + more, asks)[queue] >= n for queue, n in parts.items())
    one = asks[which % len(asks)]
    raised = [ask(a.queue, a.asked + more, a.priority, a.share) if a is one else a for a in asks]
    assert divide(room, raised)[one.queue] >= parts[one.queue]
    assert all(divide(room, raised)[a.queue] <= parts[a.queue] for a in asks if a is not one)


def of_factory(queue: str, vms: int, usd_per_hour: float, priority: int = 0) -> AskOfFactory:
    spent = Usage(vms=vms, cores=8 * vms, usd_per_hour=usd_per_hour)
    return AskOfFactory(queue=queue, asked=spent, priority=priority)


def test_the_factorys_limits_are_divided_amount_by_amount() -> None:
    asks = [of_factory("a", 8, 9.0), of_factory("b", 30, 3.0), of_factory("c", 2, 0.5)]
    limit = Limit(vms=20, usd_per_hour=8.0)
    assert factory_share(limit, asks, "a") == Limit(vms=None, usd_per_hour=4.5)
    assert factory_share(limit, asks, "b") == Limit(vms=10)
    assert factory_share(limit, asks, "c") == Limit()
    assert factory_share(Limit(), asks, "a") == Limit()


def test_of_money_too_a_higher_priority_gets_all_that_it_asks_for() -> None:
    asks = [of_factory("a", 9, 9.0), of_factory("b", 9, 3.0, priority=5)]
    assert factory_share(Limit(usd_per_hour=8.0), asks, "b") == Limit()
    assert factory_share(Limit(usd_per_hour=8.0), asks, "a") == Limit(usd_per_hour=5.0)
    assert factory_share(Limit(usd_per_hour=2.0), asks, "a") == Limit(usd_per_hour=0.0)


@given(st.floats(0, 30), st.lists(st.tuples(st.floats(0, 20), st.integers(0, 1)), min_size=1, max_size=5))
@settings(max_examples=100)
def test_the_shares_of_money_are_never_more_than_there_is(most: float, rows: list[tuple[float, int]]) -> None:
    asks = [of_factory(f"q{i}", 1, usd, priority) for i, (usd, priority) in enumerate(rows)]
    total = 0.0
    for one in asks:
        share = factory_share(Limit(usd_per_hour=most), asks, one.queue).usd_per_hour
        assert share is None or 0 <= share <= one.asked.usd_per_hour
        total += one.asked.usd_per_hour if share is None else share
    assert total <= most + 1e-6
