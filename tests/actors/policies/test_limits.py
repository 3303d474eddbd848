"""Limits in VMs, cores and money, on a tier, a queue and the factory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config.load import load
from actors.config.policy_rules import rules_of, spent
from actors.fleet.shape import Shape
from actors.policies.limits import Limit, Usage, excess, loosened, room
from actors.policies.provisioning.capacity import standings
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.provisioning.headroom import Scope, over
from actors.policies.rules import AccountRules, cloud_rules
from actors.policies.steps import make
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

FREE = cloud("free", 4, cpus=2)
SPOT = cloud("spot", 20, cpus=4, usd_per_hour=0.25)
DEAR = cloud("dear", 20, cpus=4, usd_per_hour=1.0)


def limited(
    idle: int,
    *,
    own: Limit = Limit(),  # noqa: B008
    tiers: tuple[Limit, ...] = (),
    factory: Limit = Limit(),  # noqa: B008
    elsewhere: Usage = Usage(),  # noqa: B008
    busy: dict[str, int] | None = None,
) -> Decision:
    """Jobs of two cores on the three clouds, within the limits."""
    site = Site(((FREE,), (SPOT,), (DEAR,)))
    queue = replace(site.queue, limit=own, max_vms=own.vms, tier_limits=tiers, factory_limit=factory)
    fleet = {name: has(rules, busy=(busy or {}).get(name, 0)) for name, rules in site.clouds.items()}
    views = {name: site._open(name, dict(fleet)) for name in site.clouds}
    wants = {name: want(name, view.supply) for name, view in fleet.items()}
    seen = demand(jobs(idle, cpus=2, running=sum((busy or {}).values())))
    return decide(queue, seen, fleet, site.clouds, views, wants, NOW, "d", elsewhere=elsewhere)


def test_without_limits_the_clouds_own_ones_hold() -> None:
    assert numbers(limited(99)) == {"free": 4, "spot": 20, "dear": 20}


def test_a_queues_limit_in_cores_counts_each_cloud_by_its_shape() -> None:
    assert numbers(limited(99, own=Limit(cores=20))) == {"free": 4, "spot": 3, "dear": 0}


def test_a_queues_limit_in_money_leaves_free_clouds_alone() -> None:
    decision = limited(99, own=Limit(usd_per_hour=1.1))
    assert numbers(decision) == {"free": 4, "spot": 4, "dear": 0}
    assert "spot: this queue has at most 1.1 US$/h" in " ".join(decision.why)


def test_a_tiers_limit_spills_over_to_the_next_tier() -> None:
    tiers = (Limit(), Limit(usd_per_hour=0.5), Limit(vms=3))
    assert numbers(limited(99, tiers=tiers)) == {"free": 4, "spot": 2, "dear": 3}


def test_the_factorys_limit_counts_what_other_queues_have_and_stops_growth_only() -> None:
    used = Usage(vms=7, cores=28, usd_per_hour=3.0)
    assert numbers(limited(99, factory=Limit(vms=10), elsewhere=used)) == {"free": 3, "spot": 0, "dear": 0}
    over = limited(9, factory=Limit(vms=2), elsewhere=used, busy={"spot": 5})
    assert numbers(over) == {"free": 0, "spot": 5, "dear": 0}


def test_the_step_over_the_factory_counts_other_queues_and_our_own_vms() -> None:
    site = Site(((FREE,), (SPOT,)), fleet={"free": has(FREE, busy=1)})
    queue = replace(site.queue, steps=(make({"step": "max-per-factory", "maximum": 10}),))
    fleet = {name: site.fleet.get(name) or has(rules) for name, rules in site.clouds.items()}
    views = {name: site._open(name, fleet) for name in site.clouds}
    seen, wants = demand(jobs(9, cpus=2, running=1)), {"free": want("free", 1)}
    decision = decide(queue, seen, fleet, site.clouds, views, wants, NOW, "d", elsewhere=Usage(vms=7))
    assert sum(numbers(decision).values()) == 3


def test_what_other_queues_spend_is_counted_by_their_clouds() -> None:
    config = load(Path(__file__).parents[3] / "configs" / "cascade.toml")
    wants = [want("private", 2), want("spot", 4), want("gone", 1)]
    assert spent(config, wants) == Usage(vms=7, cores=48, usd_per_hour=0.6)
    assert not rules_of(config, "atlas").look_elsewhere


def test_a_lowered_limit_gives_up_the_dearest_until_nothing_is_over() -> None:
    busy = {"free": 2, "spot": 5, "dear": 3}
    assert numbers(limited(0, own=Limit(usd_per_hour=2.5), busy=busy)) == {"free": 2, "spot": 5, "dear": 1}
    assert numbers(limited(0, tiers=(Limit(), Limit(cores=8)), busy=busy)) == {"free": 2, "spot": 2, "dear": 3}


limits = st.builds(
    Limit,
    vms=st.none() | st.integers(0, 30),
    cores=st.none() | st.integers(0, 90),
    usd_per_hour=st.none() | st.floats(0, 20),
)


@given(limits, st.integers(0, 20), st.integers(1, 8), st.sampled_from([0.0, 0.1, 0.25, 3.0]))
def test_what_has_room_is_not_over_and_one_more_than_the_room_is(
    limit: Limit, have: int, cores: int, usd_per_hour: float
) -> None:
    spent = Usage().plus(have, cores, usd_per_hour)
    free = room(limit, spent, cores, usd_per_hour)
    if free and free < 1_000:
        assert excess(limit, spent.plus(free, cores, usd_per_hour), cores, usd_per_hour) == 0
        assert excess(limit, spent.plus(free + 1, cores, usd_per_hour), cores, usd_per_hour) >= 1
    gone = excess(limit, spent, cores, usd_per_hour)
    if gone <= have:
        assert excess(limit, Usage().plus(have - gone, cores, usd_per_hour), cores, usd_per_hour) == 0


@given(limits, limits, limits, st.integers(0, 99), st.integers(0, 4), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_no_decision_passes_a_limit(own: Limit, tier: Limit, factory: Limit, idle: int, free: int, spot: int) -> None:
    decision = limited(idle, own=own, tiers=(Limit(), tier), factory=factory, busy={"free": free, "spot": spot})
    n = numbers(decision)
    used = Usage()
    for rules in (FREE, SPOT, DEAR):
        used = used.plus(n[rules.name], rules.cores, rules.usd_per_hour)
    only = Usage().plus(n["spot"], SPOT.cores, SPOT.usd_per_hour)
    assert all(excess(own, used, rules.cores, rules.usd_per_hour) == 0 or not n[rules.name] for rules in (SPOT, DEAR))
    assert excess(tier, only, SPOT.cores, SPOT.usd_per_hour) == 0
    grown = any(n[name] > had for name, had in (("free", free), ("spot", spot), ("dear", 0)))
    assert not grown or excess(factory, used, FREE.cores, FREE.usd_per_hour) == 0


def in_account(idle: int, limit: Limit, used: tuple[float, ...] = (), busy: int = 0) -> Decision:
    """`spot` and `dear` are of one account, of which all together use so much; `busy` VMs of spot are this queue's."""
    site = Site(((FREE,), (SPOT,), (DEAR,)))
    account = AccountRules(name="amazon", limit=limit, clouds=frozenset({"spot", "dear"}))
    fleet = {name: has(rules, busy=busy if name == "spot" else 0) for name, rules in site.clouds.items()}
    views = {name: replace(site._open(name, dict(fleet)), account_used=used) for name in site.clouds}
    wants = {name: want(name, view.supply) for name, view in fleet.items()}
    seen = demand(jobs(idle, cpus=2, running=busy))
    queue = replace(site.queue, accounts=(account,))
    return decide(queue, seen, fleet, site.clouds, views, wants, NOW, "d")


def test_what_an_account_has_left_goes_to_its_cheapest_cloud_and_other_clouds_are_left_alone() -> None:
    assert numbers(in_account(99, Limit(vms=6), (0, 0, 0))) == {"free": 4, "spot": 6, "dear": 0}
    decision = in_account(99, Limit(vms=30), (7, 28, 1.75))
    assert numbers(decision) == {"free": 4, "spot": 20, "dear": 3}
    assert "dear: account amazon has at most 30 VMs" in " ".join(decision.why)


def test_of_an_accounts_use_what_the_queue_has_itself_counts_once_and_nothing_is_given_up() -> None:
    assert numbers(in_account(99, Limit(cores=40), (5, 20, 1.25), busy=5)) == {"free": 4, "spot": 10, "dear": 0}
    assert numbers(in_account(9, Limit(usd_per_hour=1.0), (8, 32, 2.0), busy=5)) == {"free": 4, "spot": 5, "dear": 0}


def test_an_account_limits_what_the_configuration_says_it_does() -> None:
    config = load(Path("configs/cascade.toml"))
    accounts = {**config.accounts, "amazon": config.accounts["amazon"].model_copy(update={"max_cores": 100})}
    rules = rules_of(config.model_copy(update={"accounts": accounts}), "atlas")
    (account,) = rules.queue.accounts
    assert (account.name, account.limit, account.clouds) == ("amazon", Limit(cores=100), {"spot", "on-demand"})


def test_sums_of_prices_that_are_not_exact_neither_cost_a_vm_nor_a_place() -> None:
    thirty_cents = Limit(usd_per_hour=0.3)
    assert 0.3 / 0.1 < 3 < (0.1 + 0.1 + 0.1) / 0.1
    assert room(thirty_cents, Usage(), 1, 0.1) == 3
    assert excess(thirty_cents, Usage(usd_per_hour=0.1 + 0.1 + 0.1), 1, 0.1) == 0


def test_what_is_over_its_limit_leaves_no_room_and_not_less_than_none() -> None:
    assert room(Limit(vms=2), Usage(vms=5), 1, 0.0) == 0
    assert excess(Limit(vms=2), Usage(vms=5), 1, 0.0) == 3


def test_a_share_that_is_no_whole_number_of_vms_has_room_for_the_last_of_them_and_a_whole_one_for_no_more() -> None:
    assert room(loosened(Limit(cores=6), 4, 0.0), Usage(vms=1, cores=4), 4, 0.0) == 1
    assert room(loosened(Limit(cores=8), 4, 0.0), Usage(vms=2, cores=8), 4, 0.0) == 0
    assert room(loosened(Limit(usd_per_hour=0.2), 1, 0.1), Usage(vms=2, usd_per_hour=0.2), 1, 0.1) == 0


def test_limits_count_vms_as_they_are_ordered_and_jobs_go_into_what_joined() -> None:
    """A cloud counts what was ordered. Two countings of one VM would invent use that nobody has, or hide it."""
    ordered = Shape(cpus=4, memory_mib=8_000, disk_mib=40_000)
    small = cloud_rules(
        name="spot", shape=Shape(cpus=1, memory_mib=8_000, disk_mib=40_000), ordered=ordered, max_vms=20
    )
    account = AccountRules(name="a", limit=Limit(cores=16), clouds=frozenset({"spot"}))
    site = Site(((small,),))
    queue = replace(site.queue, accounts=(account,))
    fleet = {"spot": has(small, busy=2)}
    views = {"spot": replace(site._open("spot", dict(fleet)), account_used=(2.0, 8.0, 0.0))}
    seen = demand(jobs(99, running=2))
    decision = decide(queue, seen, fleet, site.clouds, views, {"spot": want("spot", 2)}, NOW, "d")
    assert numbers(decision) == {"spot": 4}


def test_a_limit_gives_up_nothing_below_what_is_kept() -> None:
    site = Site(((FREE,), (SPOT,)))
    fleet = {name: has(rules, busy=3) for name, rules in site.clouds.items()}
    views = {name: site._open(name, dict(fleet)) for name in site.clouds}
    standing = standings(site.queue, site.clouds, fleet, views, {}, NOW)
    scope = Scope(name="this queue", limit=Limit(vms=1), clouds=frozenset(site.clouds))
    assert over(scope, standing, {"free": 3, "spot": 3}, {"spot": 2}) == {"spot": 2, "free": 0}
