"""What becomes of a launch, whatever the cloud answers: nothing is bought twice, nothing waits for ever."""

from collections.abc import Iterator

import pytest

from actors.clouds.port import NoCapacity, Quota, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.fleet.vm import Launch
from actors.runtime.publisher import AGAIN_S
from actors.store.views import CLOUD
from actors.submitter import actor as submitter
from actors.submitter.actor import RECIPE_OLD_S, RECIPES_AHEAD
from broker.connection.address import Site
from broker.errors import Unreachable
from tests.actors.stage import CONFIG, Stage


@pytest.fixture
def stage(site: Site) -> Iterator[Stage]:
    made = Stage(site)
    made.list_cloud()
    yield made
    made.close()


def test_what_is_wanted_and_not_there_is_started_with_an_intent_before_it(stage: Stage) -> None:
    stage.want(2)
    stage.look()
    assert stage.states() == ["booting", "booting"]
    (intent,) = stage.registry.intents()
    assert (intent.state, intent.request) == (Launch.DONE, "")
    assert {vm.intent for vm in stage.vms()} == {intent.id}


def test_a_want_that_is_read_again_buys_nothing_more(stage: Stage) -> None:
    stage.want(2)
    for _ in range(3):
        stage.look()
    assert stage.cloud.launches == 1


def test_nothing_is_started_before_the_first_listing_of_a_term(site: Site) -> None:
    stage = Stage(site)
    stage.want(2)
    stage.look()
    assert stage.cloud.launches == 0
    stage.list_cloud()
    stage.look()
    assert stage.cloud.launches == 1
    stage.close()


def test_a_listing_from_before_the_term_shows_not_all_that_a_former_holder_started(stage: Stage) -> None:
    stage.now += 10
    stage.crash()
    stage.want(2)
    stage.look()
    assert stage.cloud.launches == 0
    stage.list_cloud()
    stage.look()
    assert stage.cloud.launches == 1


def test_nothing_is_started_before_retirement_looked_at_the_fleet(stage: Stage) -> None:
    """It takes in orphans and wishes first: what they say is not known before."""
    stage.registry.judged.looked = False
    stage.want(2)
    stage.look()
    assert stage.cloud.launches == 0


def test_nothing_is_started_for_a_queue_that_an_operator_froze_nor_in_place_of_what_one_took_out(stage: Stage) -> None:
    stage.want(2)
    stage.registry.judged.closed_for = {"atlas"}
    stage.look()
    assert stage.vms() == []
    stage.registry.judged.closed_for = set()
    stage.registry.judged.withheld["atlas"] = 1
    stage.look()
    assert stage.states() == ["booting"]


def test_a_launch_that_ended_long_ago_says_nothing_of_the_cloud(stage: Stage) -> None:
    stage.cloud.script = [Spent("its instances are gone")]
    stage.want(1)
    stage.look()
    assert stage.closed() == ""


def test_no_more_than_the_cloud_may_have(stage: Stage) -> None:
    stage.want(9)
    stage.look()
    assert len(stage.vms()) == 4


def test_a_lost_answer_is_found_by_its_token_and_not_bought_again(stage: Stage) -> None:
    stage.cloud.script = [("lost", Unknown("timed out"))]
    stage.want(2)
    stage.look()
    assert stage.states() == ["launching", "launching"]
    stage.look(later_s=5)
    assert stage.states() == ["booting", "booting"]
    assert len(stage.cloud.instances()) == 2


def test_a_request_that_never_arrived_is_sent_again_with_the_same_token(stage: Stage) -> None:
    stage.cloud.script = [Unknown("connection refused")]
    stage.want(2)
    stage.look()
    stage.look(later_s=5)
    assert stage.states() == ["booting", "booting"]
    assert len(stage.cloud.by_token) == 1


def test_launches_that_were_answered_meanwhile_are_written_down_together(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = CONFIG.clouds["private"].model_copy(update={"batch": 1})
    stage = Stage(site, CONFIG.model_copy(update={"clouds": {"private": one_by_one}}))
    stage.list_cloud()
    written: list[int] = []
    change = stage.registry.change
    monkeypatch.setattr(
        stage.registry, "change", lambda term, pairs, *more: (written.append(len(pairs)), change(term, pairs, *more))
    )
    stage.want(3)
    stage.look()
    assert stage.cloud.launches == 3
    assert stage.states() == ["booting"] * 3
    assert [number for number in written if number] == [3]
    stage.close()


def test_what_launches_change_is_shown_a_moment_after_they_went_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "SHOWN_MAY_WAIT_S", 1000.0)
    stage.look()
    for n in (1, 2):
        stage.want(n)
        stage.look_once()
    assert (stage.cloud.launches, stage.view().room) == (2, 4)
    stage.look()
    assert stage.view().room == 2


def test_a_refusal_is_shown_at_once(stage: Stage) -> None:
    stage.cloud.script = [NoCapacity("full")]
    stage.want(1)
    stage.look_once()
    assert "NoCapacity" in stage.closed()


def test_an_answer_that_redis_did_not_take_is_kept_and_the_cloud_not_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_term: object, pairs: list[object], *_: object) -> None:
        if pairs:
            raise Unreachable("redis is away")

    stage.want(2)
    with monkeypatch.context() as redis_away:
        redis_away.setattr(stage.registry, "change", away)
        with pytest.raises(Unreachable):
            stage.look()
    assert stage.states() == ["launching", "launching"]
    stage.look(later_s=60)
    assert stage.states() == ["booting", "booting"]
    assert (stage.cloud.launches, stage.cloud.finds) == (1, 0)


def test_a_host_that_dies_after_the_call_leaves_its_successor_what_it_needs(stage: Stage) -> None:
    stage.cloud.script = [("lost", Unknown("the host died"))]
    stage.want(2)
    stage.look()
    stage.crash()
    stage.list_cloud()
    stage.look(later_s=60)
    assert stage.states() == ["booting", "booting"]
    assert len(stage.cloud.instances()) == 2


def test_what_another_host_got_no_answer_to_is_asked_again_at_once(stage: Stage) -> None:
    stage.cloud.script = [Unknown("not reached"), Unknown("not reached"), Unknown("not reached")]
    stage.want(2)
    for _ in range(3):
        stage.look(later_s=10)
    stage.now += 1
    stage.crash()
    stage.look()
    assert stage.states() == ["booting", "booting"]


def test_a_cloud_that_does_not_answer_twice_is_closed_and_its_jobs_look_elsewhere(stage: Stage) -> None:
    stage.cloud.script = [Unknown("timed out"), Unknown("timed out")]
    stage.want(2)
    stage.look()
    assert stage.closed() == ""
    stage.look(later_s=5)
    assert stage.closed() == "launches get no answer: timed out"
    assert all(vm.silent and not vm.supply for vm in stage.vms())


def test_a_used_token_proves_that_something_was_started_so_nothing_is_bought_elsewhere(stage: Stage) -> None:
    stage.cloud.script = [TokenUsed("mismatch"), TokenUsed("mismatch"), TokenUsed("mismatch")]
    stage.want(1)
    stage.look()
    stage.look(later_s=5)
    stage.look(later_s=30)
    assert stage.closed() == ""
    assert all(vm.supply for vm in stage.vms())


def test_a_launch_that_was_given_up_is_still_resolved_and_serves_what_is_wanted_then(stage: Stage) -> None:
    stage.cloud.script = [Unknown("timed out"), ("lost", Unknown("timed out"))]
    stage.want(2)
    stage.look()
    stage.look(later_s=5)
    stage.look(later_s=120)
    assert stage.states() == ["booting", "booting"]
    assert all(vm.supply for vm in stage.vms())
    stage.look(later_s=120)
    assert len(stage.cloud.instances()) == 2  # what may come back is not bought


@pytest.mark.parametrize("error", [NoCapacity("full"), Quota("limit"), Refused("no such image"), Spent("ended")])
def test_a_clear_no_fails_the_launch_for_good(stage: Stage, error: Exception) -> None:
    stage.cloud.script = [error]  # type: ignore[list-item]
    stage.want(1)
    stage.look()
    assert "failed" in stage.states()
    assert str(error) in next(vm.reason for vm in stage.vms() if vm.state == "failed")


def test_of_a_launch_that_is_over_the_request_is_not_kept_for_it_holds_the_workers_token(stage: Stage) -> None:
    stage.cloud.script = [Refused("no such image")]
    stage.want(1)
    stage.look()
    (refused,) = stage.registry.intents()
    assert (refused.state, refused.request) == (Launch.REFUSED, "")
    row = stage.table.get("intent", stage.post, refused.id)
    assert row
    assert b"user_data" not in row.body
    assert b"private atlas" not in row.body  # the recipe


def test_a_launch_is_looked_up_before_it_is_sent_again(stage: Stage) -> None:
    """A cloud that forgot the token would start it a second time."""
    stage.cloud.script = [("lost", Unknown("timed out"))]
    stage.want(2)
    stage.look()
    stage.look(later_s=5)
    assert (stage.cloud.launches, stage.cloud.finds) == (1, 1)
    assert stage.states() == ["booting", "booting"]


def test_a_full_cloud_is_closed_for_a_while_and_opened_again(stage: Stage) -> None:
    stage.cloud.script = [NoCapacity("full")]
    stage.want(1)
    stage.look()
    assert stage.closed().endswith(": NoCapacity: full")
    stage.look(later_s=100)
    assert stage.cloud.launches == 1
    stage.look(later_s=30)
    assert "has to join first" in stage.closed()
    assert stage.states() == ["booting", "failed"] or stage.states() == ["failed", "booting"]


def test_a_closed_cloud_stays_closed_over_a_failover(stage: Stage) -> None:
    stage.cloud.script = [NoCapacity("full")]
    stage.want(1)
    stage.look()
    stage.crash()
    stage.list_cloud()
    stage.look()
    assert stage.cloud.launches == 1


def test_what_fits_is_started_and_the_rest_fails_for_want_of_room(stage: Stage) -> None:
    stage.cloud.room = 1
    stage.want(3)
    stage.look()
    assert sorted(stage.states()) == ["booting", "failed", "failed"]
    assert stage.closed().endswith(": no capacity for more")


def test_a_throttled_launch_is_sent_again_and_nothing_else_is_bought_before_it_is_taken(stage: Stage) -> None:
    stage.cloud.script = [Throttled("slow down"), Throttled("slow down")]
    stage.want(1)
    stage.look()
    assert stage.closed() == "throttled: slow down"
    stage.want(2)
    stage.look(later_s=5)
    assert stage.states() == ["launching"]
    assert stage.closed()
    stage.look(later_s=5)
    assert stage.closed() == ""
    assert stage.states() == ["booting", "booting"]


def test_a_cloud_that_did_not_answer_is_open_again_when_its_launch_is_found(stage: Stage) -> None:
    stage.cloud.script = [Unknown("timed out"), ("lost", Unknown("timed out"))]
    stage.want(1)
    stage.look()
    stage.look(later_s=5)
    assert stage.closed().startswith("launches get no answer")
    stage.look(later_s=6)
    assert stage.states() == ["booting"]
    assert stage.closed() == ""


def test_an_instance_that_nobody_remembers_takes_room(stage: Stage) -> None:
    stage.cloud._start(token="forgotten", count=3, intent="old", queue="atlas")
    stage.list_cloud()
    stage.want(4)
    stage.look()
    assert len(stage.vms()) == 1


def test_a_cloud_where_no_vm_lives_is_looked_at_less_often(stage: Stage) -> None:
    stage.list_cloud()
    stage.look()
    quiet_s = stage.interval_s()
    stage.want(1)
    stage.look()
    assert stage.interval_s() < quiet_s


QUEUES = tuple(f"q{number}" for number in range(3 * RECIPES_AHEAD))


@pytest.fixture
def many(site: Site) -> Iterator[Stage]:
    """A cloud of many queues."""
    queue = CONFIG.queues["atlas"]
    made = Stage(site, CONFIG.model_copy(update={"queues": dict.fromkeys(QUEUES, queue)}))
    made.list_cloud()
    yield made
    made.close()


def test_of_a_few_queues_that_want_nothing_a_recipe_is_ready_and_of_no_others(many: Stage) -> None:
    for _ in range(4):
        many.look()
    assert many.recipes == list(QUEUES[:RECIPES_AHEAD])


def test_a_queue_that_wants_vms_gets_its_recipe_in_that_look(many: Stage) -> None:
    many.want(1, QUEUES[-1])
    many.look()
    assert QUEUES[-1] in many.recipes
    many.look()
    assert many.states() == ["booting"]


def test_recipes_of_queues_that_want_vms_are_renewed_ahead_a_few_at_a_look(many: Stage) -> None:
    for queue in QUEUES:
        many.want(1, queue)
    for _ in range(3):
        many.look()
    assert set(many.recipes) == set(QUEUES)
    many.recipes.clear()
    many.look(later_s=RECIPE_OLD_S + 1)
    assert many.recipes == list(QUEUES[:RECIPES_AHEAD])
    many.look()
    many.look()
    assert many.recipes == list(QUEUES)


def test_of_views_that_say_the_same_the_clouds_alone_is_written_again_for_its_time(many: Stage) -> None:
    many.look()
    many.look(later_s=AGAIN_S + 1)
    rows = many.table.read("fleet", many.post)
    assert {key for key, row in rows.items() if row.version > 1} == {CLOUD}
    assert many.view().at == many.now


OWN_IDENTITIES = CONFIG.pools["local"].model_copy(update={"worker_identities": ("worker-{launch}@lab",)})


@pytest.fixture
def own(site: Site) -> Iterator[Stage]:
    """A cloud for four VMs, three in one call at most, of a pool in which each launch has an identity of its own."""
    cloud = CONFIG.clouds["private"].model_copy(update={"batch": 3})
    made = Stage(site, CONFIG.model_copy(update={"pools": {"local": OWN_IDENTITIES}, "clouds": {"private": cloud}}))
    made.list_cloud()
    yield made
    made.close()


def test_where_each_launch_has_an_identity_its_recipe_is_made_for_it_and_used_once(own: Stage) -> None:
    own.want(4)
    for _ in range(4):
        own.look()
    assert own.states() == ["booting"] * 4
    launched = {vm.intent for vm in own.registry.vms()}
    assert len(launched) == 2, "three in one call, and one"
    assert own.cloud.user_data == {launch: f"private atlas {launch}" for launch in launched}


def test_a_recipe_of_one_launch_that_was_given_up_with_the_term_is_used_by_none(own: Stage) -> None:
    own.look()
    before = len(own.recipes)
    own.crash()
    own.list_cloud()
    own.want(1)
    own.look()
    own.look()
    assert own.states() == ["booting"]
    assert len(own.recipes) >= before + 1
