"""What every cloud must do, whatever its kind: subclass `CloudConformance` in a test module and give it the fixtures.

from deploy.conformance.clouds import CloudConformance, PowerOff

class TestEc2(CloudConformance):
    @pytest.fixture
    def cloud(self, ...) -> Cloud: ...            # a cloud of its own for each test, nothing started
    @pytest.fixture
    def other(self, ...) -> Cloud: ...            # another cloud of the same kind and place, by another name
    @pytest.fixture
    def power_off(self, ...) -> PowerOff: ...     # ends an instance of `cloud` from inside, by its id
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest

from actors.clouds.port import Cloud, CloudError, KeepsHolds, Order, Refused, Spent, Unknown
from actors.fleet.observations import Instance

PowerOff = Callable[[str], object]
NOBODY = "i-00000000000000000"
DEAD = (None, "stopped", "terminated", "defunct")  # None: the cloud shows it no more
POLL_S = 0.02
TOKENS_OF = ["this test"]  # name each test here (in a fixture) where an account remembers tokens for all of them


class NotWithin(TimeoutError):
    """What was waited for did not come."""


def within(limit_s: float, what: str, holds: Callable[[], object]) -> None:
    """Wait for a condition. Raises NotWithin."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > limit_s:
            raise NotWithin(f"not within {limit_s:g} s: {what}")
        time.sleep(POLL_S)


def order(intent: str = "intent-1", count: int = 1, attempt: int = 0, **changes: object) -> Order:
    """An order; its token is made from the intent and the attempt, as the submitter's is."""
    token = hashlib.sha256(f"{TOKENS_OF} {intent} {attempt}".encode()).hexdigest()
    known = {"intent": intent, "queue": "atlas", "count": count, "token": token}
    return Order(**{**known, "user_data": "#cloud-config\n", "decision": "decision-1", **changes})  # type: ignore[arg-type]


def started(cloud: Cloud, wanted: Order) -> tuple[Instance, ...]:
    return cloud.launch(cloud.prepare(wanted))


def states(cloud: Cloud) -> dict[str, str]:
    return {one.id: one.state for one in cloud.listing(1.0).instances}


def holds(cloud: Cloud) -> dict[str, str]:
    return {one.id: one.held for one in cloud.listing(1.0).instances}


def _marked(cloud: KeepsHolds, ids: list[str], words: str) -> bool:
    """Whether it took the words: a cloud may put that off while it still builds a VM."""
    try:
        cloud.mark_held(ids, words)
    except Unknown:
        return False
    return True


class CloudConformance:
    def test_a_new_cloud_lists_nothing_and_says_when_it_was_asked(self, cloud: Cloud) -> None:
        listed = cloud.listing(12.5)
        assert (listed.instances, listed.at) == ((), 12.5)

    def test_the_same_order_is_prepared_as_the_same_text(self, cloud: Cloud) -> None:
        assert cloud.prepare(order()) == cloud.prepare(order())

    def test_preparing_starts_nothing(self, cloud: Cloud) -> None:
        cloud.prepare(order(count=3))
        assert cloud.listing(1.0).instances == ()

    def test_a_launch_starts_as_many_as_ordered_told_apart_by_index(self, cloud: Cloud) -> None:
        launched = started(cloud, order(count=3))
        assert len({one.id for one in launched}) == 3
        assert [one.index for one in launched] == [0, 1, 2]

    def test_what_was_launched_is_listed_with_its_intent_queue_index_and_birth(self, cloud: Cloud) -> None:
        launched = started(cloud, order("intent-7", count=2))
        listed = cloud.listing(1.0).instances
        assert {one.id for one in listed} == {one.id for one in launched}
        assert {(one.intent, one.queue) for one in listed} == {("intent-7", "atlas")}
        assert sorted(one.index for one in listed) == [0, 1]
        assert all(one.launched_at > 0 for one in listed)
        assert not any(one.dead for one in listed)

    def test_the_same_request_twice_gives_the_same_instances_and_starts_nothing_new(self, cloud: Cloud) -> None:
        request = cloud.prepare(order(count=2))
        first, second = cloud.launch(request), cloud.launch(request)
        assert [one.id for one in first] == [one.id for one in second]
        assert len(cloud.listing(1.0).instances) == 2

    def test_a_token_used_for_another_request_is_unknown_and_starts_nothing(self, cloud: Cloud) -> None:
        started(cloud, order(count=1))
        with pytest.raises(Unknown):
            started(cloud, order(count=2))
        assert len(cloud.listing(1.0).instances) == 1

    def test_a_token_whose_instance_has_ended_is_spent(self, cloud: Cloud, power_off: PowerOff) -> None:
        request = cloud.prepare(order())
        (one,) = cloud.launch(request)
        power_off(one.id)
        within(10, "its end shows", lambda: states(cloud).get(one.id) in DEAD)
        with pytest.raises(Spent):
            cloud.launch(request)

    def test_a_new_token_starts_new_instances(self, cloud: Cloud) -> None:
        first, second = started(cloud, order("intent-1")), started(cloud, order("intent-1", attempt=1))
        assert first[0].id != second[0].id

    def test_find_shows_all_that_an_intent_started_and_nothing_else(self, cloud: Cloud) -> None:
        mine = started(cloud, order("intent-1", count=2))
        started(cloud, order("intent-2"))
        found = cloud.find("intent-1", order("intent-1").token)
        assert {one.id for one in found} == {one.id for one in mine}

    def test_find_shows_what_an_earlier_token_of_the_intent_started(self, cloud: Cloud) -> None:
        (early,) = started(cloud, order("intent-1"))
        assert early.id in {one.id for one in cloud.find("intent-1", order("intent-1", attempt=1).token)}

    def test_find_of_an_intent_that_started_nothing_is_empty(self, cloud: Cloud) -> None:
        assert cloud.find("intent-9", order("intent-9").token) == ()

    def test_find_shows_dead_ones_too(self, cloud: Cloud) -> None:
        (one,) = started(cloud, order())
        cloud.end([one.id])
        assert {found.id for found in cloud.find("intent-1", order().token)} == {one.id}

    def test_an_ended_instance_dies_and_only_that_one(self, cloud: Cloud) -> None:
        first, second = started(cloud, order(count=2))
        assert cloud.end([first.id]) == (first.id,)
        within(10, "its death shows", lambda: states(cloud).get(first.id) in DEAD)
        assert states(cloud)[second.id] in ("pending", "running")

    def test_ending_twice_is_accepted_twice(self, cloud: Cloud) -> None:
        (one,) = started(cloud, order())
        assert cloud.end([one.id]) == cloud.end([one.id]) == (one.id,)

    def test_ending_one_that_the_cloud_does_not_know_is_accepted_and_ends_the_others(self, cloud: Cloud) -> None:
        first, second = started(cloud, order(count=2))
        assert set(cloud.end([first.id, NOBODY, second.id])) == {first.id, NOBODY, second.id}
        within(10, "both die", lambda: not {"pending", "running"} & set(states(cloud).values()))

    def test_ending_nothing_is_no_call(self, cloud: Cloud) -> None:
        assert cloud.end([]) == ()

    def test_a_power_off_from_inside_ends_the_instance(self, cloud: Cloud, power_off: PowerOff) -> None:
        (one,) = started(cloud, order())
        power_off(one.id)
        within(10, "its death shows", lambda: states(cloud).get(one.id) in DEAD)

    def test_clouds_do_not_see_each_others_instances(self, cloud: Cloud, other: Cloud) -> None:
        started(cloud, order("intent-1"))
        started(other, order("intent-2"))
        assert [one.intent for one in cloud.listing(1.0).instances] == ["intent-1"]

    def test_an_order_that_cannot_be_sent_is_refused(self, cloud: Cloud) -> None:
        with pytest.raises(Refused):
            started(cloud, order(token="x" * 65))

    def test_the_words_of_a_hold_stay_with_an_instance_and_are_listed_where_a_cloud_keeps_them(
        self, cloud: Cloud
    ) -> None:
        first, second = started(cloud, order(count=2))
        if not isinstance(cloud, KeepsHolds):
            assert {one.held for one in cloud.listing(1.0).instances} == {""}
            return
        words = "1790000000 hold by me@here: kernel 6.1 = bad, see _it_".replace(",", "_")
        within(20, "both can be marked", lambda: _marked(cloud, [first.id, second.id], ""))
        for _ in range(2):
            cloud.mark_held([NOBODY, first.id], words)
        within(10, "the words are shown", lambda: holds(cloud) == {first.id: words, second.id: ""})
        cloud.mark_held([first.id, second.id], "0 other words")
        within(10, "other words are shown", lambda: set(holds(cloud).values()) == {"0 other words"})
        for _ in range(2):
            cloud.mark_held([first.id, NOBODY], "")
        within(10, "they are taken away", lambda: holds(cloud) == {first.id: "", second.id: "0 other words"})
        cloud.mark_held([], "0 nobody")
        found = {one.id: one.held for one in cloud.find("intent-1", order(count=2).token)}
        assert found == holds(cloud)

    def test_closing_twice_is_harmless(self, cloud: Cloud) -> None:
        cloud.close()
        cloud.close()

    def test_every_error_says_what_to_do_by_its_type(self) -> None:
        assert {kind.__name__ for kind in CloudError.__subclasses__()} >= {
            "NoCapacity",
            "Quota",
            "Throttled",
            "Refused",
            "Unknown",
            "Spent",
        }
