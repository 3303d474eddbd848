"""The disruption budget: how many drains may begin, who waits and says so, and that nothing waits for ever."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from actors.policies.disruption.converge import Scene, follow
from actors.policies.disruption.cron_windows import Minutes
from actors.policies.disruption.drain_budget import AWAY, JOINED, DrainBudget, DrainRules
from tests.actors.fleet.made import NOW, machine, vm

NEVER = Minutes.parse("* * 31 2 *")
WISH = Wish(id="w-1", verb="drain", selector="all", names=(), reason="maintenance", by="ada", at=NOW, ends=NOW + 1e9)


def fleet(*states: State, **changes: object) -> list[Vm]:
    return [vm(state, id=f"x-{n}", instance_id=f"i-{n}", **changes) for n, state in enumerate(states)]


def scene(want: int = 0, **changes: object) -> Scene:
    made = Scene(wants={"atlas": want}, machines={}, wishes=(), idle_since={}, frozen="", now=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def drained(vms: list[Vm], **changes: object) -> list[str]:
    """Ids of those whose drain begins."""
    rows = follow(vms, scene(**changes)).rows  # type: ignore[arg-type]
    return [key for key, row in rows.items() if row.state is State.DRAINING]


def test_without_a_budget_all_begin_at_once() -> None:
    assert len(drained(fleet(*[State.READY] * 9))) == 9


def test_no_more_than_so_many_are_away_at_once_and_the_others_say_why() -> None:
    vms = fleet(*[State.READY] * 5, State.DRAINING, State.DRAINED, State.ENDING)
    changes = follow(vms, scene(drains=DrainRules(at_once=5)))
    assert sum(row.state is State.DRAINING for row in changes.rows.values()) == 2
    waiting = [row for row in changes.rows.values() if row.drain_waits]
    assert {row.drain_waits for row in waiting} == {"this cloud may have 5 VMs drained at once"}
    assert {row.state for row in waiting} == {State.READY}
    assert len(waiting) == 3


def test_a_share_is_of_those_that_joined_and_never_less_than_one() -> None:
    half = DrainRules(share=0.5)
    assert len(drained(fleet(*[State.READY] * 9), drains=half)) == 4
    assert len(drained(fleet(State.READY, *[State.BOOTING] * 9), drains=half)) == 1
    assert drained(fleet(State.READY, State.DRAINING), drains=half) == []


def test_no_more_than_so_many_begin_a_minute_even_if_they_ended_meanwhile() -> None:
    vms = [*fleet(*[State.READY] * 5), vm(State.ENDED, id="y", drain_begun=NOW - 59)]
    old = vm(State.ENDED, id="z", drain_begun=NOW - 60)
    assert len(drained([*vms, old], drains=DrainRules(per_minute=3))) == 2


def test_drains_begin_in_their_minutes_only() -> None:
    vms = fleet(State.READY)
    assert drained(vms, drains=DrainRules(when=(NEVER,))) == []
    assert drained(vms, drains=DrainRules(when=(NEVER, Minutes.parse("* * * * *")))) == ["x-0"]
    (row,) = follow(vms, scene(drains=DrainRules(when=(NEVER,)))).rows.values()
    assert row.drain_waits == "this cloud drains only in the minutes * * 31 2 * (UTC)"


def test_an_operators_drain_goes_before_policys_and_asks_the_budget_too() -> None:
    vms = fleet(*[State.READY] * 3)
    wish = replace(WISH, selector="vm", names=("x-2",))
    assert drained(vms, wishes=(wish,), drains=DrainRules(at_once=1)) == ["x-2"]
    assert drained(vms, wishes=(WISH,), drains=DrainRules(at_once=2)) == ["x-0", "x-1"]


def test_a_black_hole_is_taken_out_only_as_the_budget_allows() -> None:
    vms = fleet(State.READY, State.READY, State.DRAINING)
    changes = follow(vms, scene(want=2, drains=DrainRules(at_once=1), black_holes={"x-0": "it eats jobs"}))
    assert changes.rows["x-0"].state is State.READY
    assert changes.rows["x-0"].drain_waits == "this cloud may have 1 VM drained at once"


def test_what_never_joined_and_is_ended_is_missed_by_nobody() -> None:
    vms = [*fleet(State.READY, State.READY), vm(State.ENDING, id="x-9", instance_id="i-9", joined=0.0)]
    assert len(drained(vms, drains=DrainRules(at_once=1))) == 1


def test_a_kill_waits_for_nothing() -> None:
    kill = replace(WISH, verb="kill")
    rows = follow(fleet(State.READY), scene(wishes=(kill,), drains=DrainRules(at_once=0, when=(NEVER,)))).rows
    assert rows["x-0"].state is State.ENDING


def test_a_queues_budget_holds_its_own_vms_back_and_no_others() -> None:
    vms = [*fleet(State.READY, State.READY), vm(id="y-0", queue="cms"), vm(id="y-1", queue="cms")]
    wants = {"atlas": 0, "cms": 0}
    begun = drained(vms, wants=wants, queue_drains={"cms": DrainRules(at_once=1)})
    assert begun == ["x-0", "x-1", "y-0"]


def test_who_waits_and_is_wanted_again_says_so_no_more() -> None:
    (waiting,) = fleet(State.READY, drain_waits="this cloud may have 0 VMs drained at once")
    assert follow([waiting], scene(1)).rows["x-0"].drain_waits == ""
    assert follow([waiting], scene(0)).rows["x-0"].drain_waits == ""  # its drain began


def test_who_goes_on_waiting_is_not_written_again() -> None:
    rules = DrainRules(at_once=0)
    rows = follow(fleet(State.READY), scene(drains=rules)).rows
    assert not follow(list(rows.values()), scene(drains=rules)).rows


def test_given_up_while_it_boots_takes_no_place() -> None:
    rows = follow(fleet(State.BOOTING, State.READY), scene(drains=DrainRules(at_once=1))).rows
    assert (rows["x-0"].unwanted, rows["x-1"].state) == (NOW, State.DRAINING)


RULES = st.builds(
    DrainRules,
    at_once=st.none() | st.integers(0, 6),
    share=st.none() | st.floats(0.01, 1.0),
    per_minute=st.none() | st.integers(0, 4),
    when=st.sampled_from([(), (Minutes.parse("0-29 * * * *"),)]),
)
VMS = st.lists(
    st.tuples(st.sampled_from(State), st.sampled_from(["atlas", "cms"]), st.sampled_from([0.0, NOW - 30, NOW - 90])),
    max_size=14,
).map(
    lambda rows: [vm(s, id=f"x-{n}", instance_id=f"i-{n}", queue=q, drain_begun=d) for n, (s, q, d) in enumerate(rows)]
)


@given(VMS, RULES, st.dictionaries(st.sampled_from(["atlas", "cms"]), RULES), st.integers(0, 5), st.booleans())
def test_no_limit_is_ever_passed_by_drains_that_could_wait(
    vms: list[Vm], cloud: DrainRules, queues: dict[str, DrainRules], want: int, wished: bool
) -> None:
    wishes = (WISH,) if wished else ()
    made = scene(wants={"atlas": want, "cms": 0}, drains=cloud, queue_drains=queues, wishes=wishes)
    rows = follow(vms, made).rows
    after = [rows.get(one.id, one) for one in vms]
    begun = {one.id for one in after if one.state is State.DRAINING} - {v.id for v in vms if v.state is State.DRAINING}
    for rules, queue in [(cloud, ""), *((rules, queue) for queue, rules in queues.items())]:
        mine = [one for one in after if queue in ("", one.queue)]
        if not begun & {one.id for one in mine}:
            continue
        joined = [one for one in mine if one.state in JOINED and one.joined]
        away = sum(one.state in AWAY for one in joined)
        assert rules.at_once is None or away <= rules.at_once
        assert rules.share is None or away <= max(1, rules.share * len(joined))
        assert rules.per_minute is None or sum(NOW - one.drain_begun < 60 for one in mine) <= rules.per_minute
        assert all(minutes.hold(NOW) for minutes in rules.when)
    for one in after:
        assert not (one.drain_waits and one.id in begun)


@given(VMS, RULES)
def test_budgets_allow_the_same_in_any_order_and_say_why_for_each_that_waits(vms: list[Vm], rules: DrainRules) -> None:
    def allowed(order: list[Vm]) -> int:
        budget = DrainBudget(rules, {}, order, NOW)
        may = [budget.may(one) for one in order if one.state is State.READY]
        assert len(budget.waiting) == may.count(False)
        assert all(budget.waiting.values())
        return may.count(True)

    assert allowed(vms) == allowed(vms[::-1])


@given(st.integers(1, 12), st.integers(1, 4), st.floats(0.05, 1.0), st.integers(1, 3))
def test_a_surplus_goes_in_the_end(count: int, at_once: int, share: float, per_minute: int) -> None:
    """Each round is a minute, and what drains has ended by the next."""
    vms, rules = fleet(*[State.READY] * count), DrainRules(at_once=at_once, share=share, per_minute=per_minute)
    for minute in range(count):
        now = NOW + 60.0 * minute
        changes = follow(vms, scene(drains=rules, now=now, machines={one.id: machine() for one in vms})).rows
        vms = [changes.get(one.id, one) for one in vms]
        assert any(one.state is State.DRAINING for one in vms) or all(one.state is State.ENDED for one in vms)
        vms = [replace(one, state=State.ENDED) if one.state is State.DRAINING else one for one in vms]
    assert all(one.state is State.ENDED for one in vms)
