"""Terms against a real Redis. The races between hosts are in scenarios/."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.connection.address import Site
from broker.posts.leases import Held, Leases, Renewal, Term
from tests.late import within


def leases(site: Site, holder: str = "a#1", ttl_s: float = 60.0, clock: float | None = None) -> Leases:
    monotonic = time.monotonic if clock is None else lambda: clock
    return Leases(site.client(), site, holder, ttl_s, monotonic)


def acquired(site_leases: Leases, post: str) -> Term:
    term = site_leases.acquire(post)
    assert isinstance(term, Term)
    return term


def test_trust_ends_a_fifth_before_the_lease_counted_from_the_asking(site: Site) -> None:
    host = leases(site, ttl_s=15.0, clock=1000.0)
    term = acquired(host, "queue/atlas")
    assert term.trusted(1011.999)
    assert not term.trusted(1012.0)
    later = leases(site, ttl_s=15.0, clock=1010.0).renew([term]).renewed[0]
    assert later.trusted(1021.999)
    assert (later.post, later.holder, later.fence) == (term.post, term.holder, term.fence)


def test_a_fence_is_at_least_the_time_in_ms_so_it_grows_even_when_leases_are_lost(site: Site) -> None:
    before = acquired(leases(site), "queue/atlas")
    seconds, _ = site.client().time()
    assert before.fence >= (seconds - 2) * 1000
    site.client().delete(site.key("leases"))
    deadline = time.monotonic() + 5
    after = acquired(leases(site, "b#2"), "queue/atlas")
    while after.fence == before.fence:  # granted within the same ms, and the memory of the first is gone
        assert time.monotonic() < deadline
        site.client().delete(site.key("leases"))
        after = acquired(leases(site, "b#2"), "queue/atlas")
    assert after.fence > before.fence
    lost = leases(site).renew([before])
    assert lost.renewed == ()
    assert "held by b#2" in lost.lost[0].seen


def test_one_call_renews_some_and_names_the_lost(site: Site) -> None:
    a, b = leases(site), leases(site, "b#2")
    terms = [acquired(a, f"queue/{number}") for number in range(3)]
    a.release(terms[1])
    assert isinstance(b.acquire("queue/1"), Term)
    renewal = a.renew(terms)
    assert [term.post for term in renewal.renewed] == ["queue/0", "queue/2"]
    assert [(lost.term, lost.seen.split(" with")[0]) for lost in renewal.lost] == [(terms[1], "held by b#2")]
    assert a.renew([]) == Renewal(renewed=(), lost=())


def test_a_former_term_of_the_same_host_is_neither_renewed_nor_released(site: Site) -> None:
    """It took its own post again, as after a restart of what holds it: by the holder's name alone both are one."""
    host = leases(site)
    former = acquired(host, "queue/atlas")
    now = acquired(host, "queue/atlas")
    assert now.fence > former.fence
    (lost,) = host.renew([former]).lost
    assert lost.seen == f"held by a#1 with fence {now.fence}"
    assert not host.release(former)
    assert host.renew([now]).lost == ()
    assert host.release(now)


def test_a_term_with_the_right_fence_and_another_holder_is_neither_renewed_nor_released(site: Site) -> None:
    """After Redis lost its last writes a fence may be granted twice; a holder and a fence together are not."""
    term = acquired(leases(site), "queue/atlas")
    others = replace(term, holder="b#2")
    assert leases(site, "b#2").renew([others]).renewed == ()
    assert not leases(site, "b#2").release(others)
    assert leases(site).renew([term]).renewed


def test_a_lease_that_ran_out_is_not_renewed_though_nobody_took_it(site: Site) -> None:
    host = leases(site, ttl_s=0.01)
    term = acquired(host, "queue/atlas")
    within(5, "the lease runs out", lambda: host.owners()[0].holder is None)
    (lost,) = host.renew([term]).lost
    assert lost.seen.startswith("expired, last held by a#1")
    assert acquired(leases(site, "b#2"), "queue/atlas").fence > term.fence


def test_a_release_keeps_the_fence_so_the_next_terms_is_larger_though_the_clock_was_set_back(site: Site) -> None:
    seconds, _ = site.client().time()
    ahead = (seconds + 3600) * 1000
    site.client().hset(site.key("leases"), "queue/atlas", f"{ahead} a#1 {ahead} {ahead}")
    assert leases(site).release(Term(post="queue/atlas", holder="a#1", fence=ahead, trusted_until=0.0))
    assert acquired(leases(site, "b#2"), "queue/atlas").fence == ahead + 1


def test_trust_is_counted_from_before_the_request_however_long_its_answer_takes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    client = site.client()
    host = Leases(client, site, "a#1", 15.0, lambda: clock[0])

    def slow(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: (clock.__setitem__(0, clock[0] + 5), call(*args, **options))[1]

    monkeypatch.setattr(client, "pipeline", slow(client.pipeline))
    term = acquired(host, "queue/atlas")
    assert term.trusted_until == 1012.0
    monkeypatch.setattr(host, "_renew", slow(host._renew))
    assert host.renew([term]).renewed[0].trusted_until == 1017.0


def test_a_thousand_terms_are_renewed_in_a_tenth_of_a_second(site: Site) -> None:
    host = leases(site)
    terms = [acquired(host, f"queue/{number}") for number in range(1000)]
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(host.renew(terms).renewed) == 1000
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1


def test_who_holds_what_is_listed(site: Site) -> None:
    a = leases(site)
    term = acquired(a, "cloud/b")
    a.release(acquired(a, "cloud/a"))
    free, held = a.owners()
    assert (free.post, free.holder, free.expires_in_s) == ("cloud/a", None, 0.0)
    assert (held.post, held.holder, held.fence) == ("cloud/b", "a#1", term.fence)
    assert 50 < held.expires_in_s <= 60
    assert abs(held.since * 1000 - term.fence) <= 1


def test_another_host_is_told_who_holds_it_and_for_how_long(site: Site) -> None:
    term = acquired(leases(site), "cloud/a")
    held = leases(site, "b#2").acquire("cloud/a")
    assert isinstance(held, Held)
    assert (held.by, held.fence) == ("a#1", term.fence)
    assert 50 < held.expires_in_s <= 60


def test_two_factories_in_one_redis_do_not_meet(site: Site) -> None:
    other = Site(address=site.address, factory=site.factory + "-other")
    acquired(leases(site), "cloud/a")
    acquired(leases(other, "b#2"), "cloud/a")


@pytest.mark.parametrize("name", ["", "two words", "line\nbreak", "ö", "x" * 201])
def test_names_that_the_store_could_misread_are_refused(site: Site, name: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        leases(site).acquire(name)
    with pytest.raises(ValueError, match="allowed"):
        leases(site, holder=name)


GARBAGE = (b"garbage", b"", b"\xff\xfe", b"1 a#1 nan inf", b"1 a#1 0 " + b"9" * 15, b"9" * 400 + b" a#1 0 0", b"1 2 3")


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_lease_is_nobodys_for_one_ttl_and_then_free_and_stops_no_other(site: Site, garbage: bytes) -> None:
    host, other = leases(site, ttl_s=0.2), leases(site, "b#2")
    held = acquired(leases(site), "queue/well"), acquired(leases(site), "queue/atlas")
    site.client().hset(site.key("leases"), "queue/atlas", garbage)
    renewal = leases(site).renew(held)
    assert [term.post for term in renewal.renewed] == ["queue/well"]
    assert [lost.term.post for lost in renewal.lost] == ["queue/atlas"]
    assert [owner.post for owner in other.owners()] == ["queue/well"]
    assert other.damaged() == {"queue/atlas": garbage}
    assert isinstance(host.acquire("queue/atlas"), Held)  # whoever held it may still trust his term
    assert other.damaged() == {}
    deadline = time.monotonic() + 5
    while isinstance(got := host.acquire("queue/atlas"), Held):
        assert time.monotonic() < deadline
    assert got.fence > held[1].fence


def test_leases_of_posts_that_are_none_are_passed_over(site: Site) -> None:
    site.client().hset(site.key("leases"), mapping={b"\xff x": b"1 a#1 0 0", b"cloud/zzz": b"garbage"})
    assert leases(site).owners() == []
    assert len(leases(site).damaged()) == 2
    assert isinstance(leases(site).acquire("queue/atlas"), Term)
