"""Shares: balanced, stable, agreed. Properties over any posts and hosts."""

from fnmatch import fnmatchcase
from math import ceil, floor

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.posts.assignment import shares, unowned

NAMES = st.text("abcdefghij", min_size=1, max_size=4)
POSTS = st.sets(st.tuples(st.sampled_from(["pool", "queue", "cloud"]), NAMES).map("/".join), max_size=60)
HOSTS = st.sets(NAMES, min_size=1, max_size=9)
PATTERNS = st.lists(st.sampled_from(["*", "cloud/*", "queue/*", "pool/a*"]), max_size=3)


def sizes(owners: dict[str, str], hosts: dict[str, list[str]]) -> list[int]:
    return [list(owners.values()).count(host) for host in hosts]


def everywhere(names: set[str]) -> dict[str, list[str]]:
    return {name: ["*"] for name in names}


@given(POSTS, HOSTS)
def test_every_post_has_a_host_and_no_share_is_far_from_the_mean(posts: set[str], names: set[str]) -> None:
    hosts = everywhere(names)
    owners = shares(posts, hosts)
    mean = len(posts) / len(hosts)
    assert set(owners) == posts
    assert max(sizes(owners, hosts)) <= ceil(mean) <= mean + 2
    assert min(sizes(owners, hosts)) >= floor(mean)


@settings(max_examples=500, deadline=None)
@given(POSTS, HOSTS, st.data())
def test_a_join_or_a_leave_moves_few_posts(posts: set[str], names: set[str], data: st.DataObject) -> None:
    owners = shares(posts, everywhere(names))
    for _ in range(data.draw(st.integers(1, 5))):
        new = data.draw(NAMES)
        changed = names ^ {new} or {new}
        after = shares(posts, everywhere(changed), owners)
        moved = sum(after[post] != owners[post] for post in posts)
        assert moved <= ceil(len(posts) / min(len(names), len(changed))) + 2
        assert min(sizes(after, everywhere(changed))) >= floor(len(posts) / len(changed))
        if changed < names:
            assert all(after[post] == owners[post] for post in posts if owners[post] in changed)
        names, owners = changed, after


@given(POSTS, HOSTS)
def test_what_is_shared_already_stays(posts: set[str], names: set[str]) -> None:
    owners = shares(posts, everywhere(names))
    assert shares(posts, everywhere(names), owners) == owners


@given(POSTS, HOSTS, st.dictionaries(NAMES, NAMES), st.data())
def test_it_settles_at_once_from_any_state(
    posts: set[str], names: set[str], stray: dict[str, str], data: st.DataObject
) -> None:
    holders = {post: data.draw(st.sampled_from(sorted(names))) for post in posts if data.draw(st.booleans())}
    owners = shares(posts, everywhere(names), holders | stray)
    assert shares(posts, everywhere(names), owners) == owners
    assert max(sizes(owners, everywhere(names))) <= ceil(len(posts) / len(names))


@given(POSTS, st.dictionaries(NAMES, PATTERNS, max_size=6))
def test_a_host_gets_only_what_it_takes_and_the_rest_is_named(posts: set[str], hosts: dict[str, list[str]]) -> None:
    owners = shares(posts, hosts)
    assert all(takes(hosts[host], post) for post, host in owners.items())
    assert set(unowned(posts, hosts)) == posts - set(owners)
    assert shares(posts, hosts, owners) == owners


@given(POSTS, st.dictionaries(NAMES, PATTERNS, max_size=6), st.data())
def test_a_declined_post_goes_to_who_does_not_decline_it_and_where_all_do_it_is_shared_as_if_none_did(
    posts: set[str], hosts: dict[str, list[str]], data: st.DataObject
) -> None:
    declined = {host: data.draw(st.sets(st.sampled_from(sorted(posts)))) for host in hosts} if posts else {}
    owners = shares(posts, hosts, declined=declined)
    assert set(owners) == posts - set(unowned(posts, hosts))
    for post, host in owners.items():
        willing = [one for one in hosts if takes(hosts[one], post) and post not in declined[one]]
        assert not willing or host in willing
    assert shares(posts, hosts, owners, declined) == owners


def takes(patterns: list[str], post: str) -> bool:
    return any(fnmatchcase(post, pattern) for pattern in patterns)


@given(POSTS, st.dictionaries(NAMES, PATTERNS, max_size=6), st.randoms())
def test_all_hosts_agree_whatever_the_order_they_learnt_it_in(
    posts: set[str], hosts: dict[str, list[str]], random: object
) -> None:
    shuffled = list(posts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shares(shuffled, dict(reversed(list(hosts.items())))) == shares(sorted(posts), hosts)


def test_dedicated_hosts_share_their_kind_and_leave_the_rest_to_others() -> None:
    posts = [f"cloud/{n}" for n in range(4)] + [f"queue/{n}" for n in range(6)]
    hosts = {"a": ["*"], "b": ["cloud/*"], "c": ["cloud/*"]}
    assert sizes(shares(posts, hosts), {name: [] for name in hosts}) == [6, 2, 2]


def test_a_small_factory_spreads_over_two_hosts_when_the_second_joins() -> None:
    posts = ["pool/local", "queue/atlas", "cloud/private", "cloud/spot"]
    first = shares(posts, {"a": ["*"]})
    both = shares(posts, {"a": ["*"], "b": ["*"]}, first)
    assert sorted(both.values()) == ["a", "a", "b", "b"]


def test_the_answer_is_the_same_in_every_process() -> None:
    assert shares([f"queue/{n}" for n in range(6)], {"a": ["*"], "b": ["*"]}) == {
        "queue/0": "b",
        "queue/1": "a",
        "queue/2": "b",
        "queue/3": "a",
        "queue/4": "b",
        "queue/5": "a",
    }


def test_a_host_may_leave_one_post_to_others_and_loses_it_even_if_it_holds_it() -> None:
    hosts = {"a": ("*", "!queue/x"), "b": ("*",)}
    assert shares(["queue/x"], hosts, {"queue/x": "a"}) == {"queue/x": "b"}
    assert unowned(["queue/x"], {"a": ("*", "!queue/x")}) == ["queue/x"]
