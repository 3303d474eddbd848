"""What a call may rest on: the very term in which it was decided, not just any term of its post."""

import time

import pytest

from actors.runtime.terms import Terms
from broker.errors import LeaseLost
from broker.posts.leases import Term

POST = "cloud/private"


def term(fence: int, trusted_for_s: float = 1000.0) -> Term:
    return Term(post=POST, holder="a#1", fence=fence, trusted_until=time.monotonic() + trusted_for_s)


def test_a_call_of_a_term_that_still_is_held_may_go_out_and_its_renewals_do_not_matter() -> None:
    terms = Terms()
    terms.put(term(1))
    decided_in = terms.need(POST)
    terms.put(term(1))
    terms.still(decided_in)


def test_a_call_of_a_former_term_does_not_go_out_though_the_host_holds_the_post_again() -> None:
    terms = Terms()
    terms.put(term(1))
    decided_in = terms.need(POST)
    terms.remove(POST)
    terms.put(term(2))
    with pytest.raises(LeaseLost, match="another term"):
        terms.still(decided_in)


def test_a_call_of_a_term_that_was_not_renewed_in_time_does_not_go_out() -> None:
    terms = Terms()
    terms.put(term(1, trusted_for_s=-1.0))
    with pytest.raises(LeaseLost):
        terms.still(term(1))
