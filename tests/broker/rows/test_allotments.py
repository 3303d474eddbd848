"""A pot that several posts take from, on a real Redis: never more than it holds, whoever asks, dies or comes back."""

import secrets
import threading
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.connection.address import Site
from broker.errors import LeaseLost
from broker.posts.leases import Leases, Term
from broker.rows.allotments import Allotments, Granted, PotAsk, total

POSTS = ("cloud/private", "cloud/spot", "cloud/dear")
EACH = {"cloud/private": (1, 8, 0), "cloud/spot": (1, 4, 150_000), "cloud/dear": (1, 16, 400_000)}
LIMITS = (10, 64, 2_000_000)


class Pot:
    """The members of one account, each with a host that holds its post."""

    def __init__(self, site: Site, limits: tuple[int | None, ...] = LIMITS) -> None:
        self.site, self.limits = site, limits
        self.allotments = Allotments(site.client(), site)
        self.terms = {post: self.hold(post) for post in POSTS}

    def hold(self, post: str, host: str = "a#1", ttl_s: float = 60.0) -> Term:
        leases = Leases(self.site.client(), self.site, host, ttl_s)
        for owner in leases.owners():
            if owner.post == post and owner.holder:
                Leases(self.site.client(), self.site, owner.holder, 60.0).release(
                    Term(post=post, holder=owner.holder, fence=owner.fence, trusted_until=0.0)
                )
        term = leases.acquire(post)
        assert isinstance(term, Term)
        return term

    def ask(self, post: str, has: int, more: int, term: Term | None = None, **said: object) -> Granted:
        own = tuple(has * amount for amount in EACH[post])
        ask = PotAsk(own=own, each=EACH[post], limits=self.limits, members=POSTS, more=more, **said)  # type: ignore[arg-type]
        return self.allotments.claim(term or self.terms[post], "amazon", ask)

    def all_say(self, **have: int) -> None:
        for post in POSTS:
            self.ask(post, have.get(post.partition("/")[2], 0), 0)


@pytest.fixture
def pot(site: Site) -> Pot:
    return Pot(site)


def test_each_kind_of_amount_is_limited(pot: Pot) -> None:
    pot.all_say()
    assert pot.ask("cloud/private", 0, 50).n == 8  # 64 cores
    pot.all_say()
    assert pot.ask("cloud/spot", 0, 50).n == 10  # VMs
    pot.all_say()
    assert pot.ask("cloud/dear", 0, 50).n == 4  # 64 cores again
    pot.limits = (None, None, 2_000_000)
    pot.all_say()
    assert pot.ask("cloud/dear", 0, 50).n == 5  # money
    assert pot.ask("cloud/private", 0, 50).n == 50  # costs nothing
    pot.limits = (None, None, None)
    assert pot.ask("cloud/dear", 5, 1_000).n == 1_000


def test_what_one_took_another_cannot_take(pot: Pot) -> None:
    pot.all_say(private=3)
    assert pot.ask("cloud/spot", 0, 4) == Granted(n=4, room=7, totals=(7, 40, 600_000))
    assert pot.ask("cloud/dear", 0, 9).n == 1
    assert pot.ask("cloud/private", 3, 9).n == 1
    assert pot.allotments.read("amazon")["cloud/spot"].own == (4, 16, 600_000)


def test_what_is_there_is_written_even_over_the_limit_and_nothing_is_granted_then(pot: Pot) -> None:
    pot.all_say(spot=12)
    assert pot.ask("cloud/private", 0, 1) == Granted(n=0, room=0, totals=(12, 48, 1_800_000))
    pot.ask("cloud/spot", 2, 0)
    assert pot.ask("cloud/private", 0, 1).n == 1


def test_nothing_is_granted_before_every_member_said_what_it_has(pot: Pot) -> None:
    pot.ask("cloud/private", 0, 0)
    pot.ask("cloud/dear", 0, 0)
    assert pot.ask("cloud/private", 0, 1) == Granted(n=0, room=0, totals=(0, 0, 0), unknown="cloud/spot")
    pot.ask("cloud/spot", 0, 0)
    assert pot.ask("cloud/private", 0, 1).n == 1


def test_a_former_holder_takes_nothing(pot: Pot) -> None:
    pot.all_say()
    former = pot.terms["cloud/spot"]
    pot.hold("cloud/spot", "b#1")
    with pytest.raises(LeaseLost):
        pot.ask("cloud/spot", 0, 5, term=former)
    assert pot.allotments.read("amazon")["cloud/spot"].own == (0, 0, 0)


def test_a_former_term_of_the_same_host_takes_nothing(pot: Pot) -> None:
    pot.all_say()
    former = pot.terms["cloud/spot"]
    assert pot.hold("cloud/spot", "a#1").fence > former.fence
    with pytest.raises(LeaseLost):
        pot.ask("cloud/spot", 0, 5, term=former)


def test_strangers_that_two_members_see_in_one_place_count_once(pot: Pot) -> None:
    pot.ask("cloud/private", 0, 0, outside=(3, 6, 0), place="north")
    pot.ask("cloud/spot", 0, 0, outside=(2, 9, 0), place="north")
    told = pot.ask("cloud/dear", 0, 0, outside=(1, 2, 0), place="south")
    assert told.totals == (4, 11, 0)
    assert told.room == 3


def test_a_row_of_nobodys_making_grants_nothing(pot: Pot) -> None:
    pot.all_say()
    pot.site.client().hset(pot.site.key("allotments", "amazon"), "cloud/spot", "rubbish")
    assert pot.ask("cloud/private", 0, 1).unknown == "cloud/spot"


def test_members_that_ask_at_the_same_moment_get_no_more_together_than_there_is(pot: Pot) -> None:
    pot.limits = (10, None, None)
    pot.all_say()
    got: Counter[str] = Counter()
    start = threading.Barrier(len(POSTS))

    def take(post: str) -> None:
        start.wait()
        for _ in range(20):
            got[post] += pot.ask(post, got[post], 1).n

    threads = [threading.Thread(target=take, args=(post,)) for post in POSTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got.values()) == 10


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "die after asking", "end", "appear", "redis is emptied", "look"]),
        st.sampled_from(POSTS),
        st.integers(1, 6),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_what_is_bought_never_passes_the_limit(site: Site, steps: list[tuple[str, str, int]]) -> None:
    """Hosts ask, die with a grant unused, VMs end or appear from nowhere, Redis loses everything.

    `there` is the world's truth: VMs by member. Buying never lifts the sum over the limit in any kind of amount.
    """
    pot = Pot(Site(address=site.address, factory=f"test-{secrets.token_hex(6)}"))
    there = dict.fromkeys(POSTS, 0)
    hosts = 1
    for what, post, n in steps:
        if what == "ask":
            got = pot.ask(post, there[post], n, outside=(n, 2 * n, 0), place="one-region")
            granted = got.n
            there[post] += granted
            assert got.unknown or total(pot.allotments.read("amazon").values(), 3) == got.totals
            for kind, limit in enumerate(LIMITS):
                if granted and EACH[post][kind]:
                    assert sum(vms * EACH[member][kind] for member, vms in there.items()) <= limit
        elif what == "die after asking":
            pot.ask(post, there[post], n)
            hosts += 1
            pot.terms[post] = pot.hold(post, f"h{hosts}#1")
        elif what == "end":
            there[post] = max(0, there[post] - n)
        elif what == "appear":
            there[post] += n
            pot.ask(post, there[post], 0)  # it is seen before anybody buys
        elif what == "redis is emptied":
            pot.site.client().delete(pot.site.key("allotments", "amazon"))
        else:
            pot.ask(post, there[post], 0)
