"""Who should hold which post: a wish. The lease says who does.

Every host computes this by itself from the same facts: the posts, the live hosts with the patterns of posts that
they take, and who holds what now. Nobody leads.

The rules it keeps, for hosts that take the same posts:

- No host has more than the mean rounded up, none less than the mean rounded down, from a fresh start.
- A post stays with its holder unless the holder is gone, or has more than its share while another has less. So a
  join or a leave moves at most ceil(posts / hosts) + 2.
- A free post goes where rendezvous hashing ranks highest among hosts with room: all hosts agree without talking.

A pattern that begins with "!" takes posts out again: ("*", "!pool/local") is a host that takes all but one. A post that
a host declines goes to those that do not; where all who take it decline it, it is shared as if none did.

With differing patterns ("cloud/*") the posts are shared group by group, a group being the posts that the same
hosts take, the most constrained group first; each is poured like water over what its hosts have already.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

Hosts = Mapping[str, Sequence[str]]  # host name -> patterns
Declined = Mapping[str, Collection[str]]  # host name -> posts
NOBODY: Mapping[str, str] = {}
NOTHING: Declined = {}


def shares(
    posts: Iterable[str], hosts: Hosts, holders: Mapping[str, str] = NOBODY, declined: Declined = NOTHING
) -> dict[str, str]:
    """Post -> host. `holders`: who holds what now; without it a join or leave may move more.

    A post that no host takes is absent: see `unowned`.
    """
    owners: dict[str, str] = {}
    loads = dict.fromkeys(hosts, 0)
    for takers, group in _groups(posts, hosts, declined):
        low, spare = _level([loads[host] for host in takers], len(group))
        high = low + (spare > 0)
        kept = _kept(group, takers, holders, loads, low, spare)
        for post in kept:
            owners[post] = holders[post]
        for post in group:
            if post not in kept:
                owners[post] = _place(post, takers, loads, low, high)
                loads[owners[post]] += 1
    return owners


def unowned(posts: Iterable[str], hosts: Hosts) -> list[str]:
    """The posts that no host takes, by name. Each of them is work that nobody does: tell a person."""
    return sorted(post for post in set(posts) if not _takers(post, hosts, NOTHING))


def _takers(post: str, hosts: Hosts, declined: Declined) -> tuple[str, ...]:
    takers = sorted(host for host, patterns in hosts.items() if _takes(post, patterns))
    willing = [host for host in takers if post not in declined.get(host, ())]
    return tuple(willing or takers)


def _takes(post: str, patterns: Iterable[str]) -> bool:
    matching = [one for one in patterns if fnmatchcase(post, one.removeprefix("!"))]
    return bool(matching) and not any(one.startswith("!") for one in matching)


def _groups(posts: Iterable[str], hosts: Hosts, declined: Declined) -> list[tuple[tuple[str, ...], list[str]]]:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for post in sorted(set(posts)):
        if takers := _takers(post, hosts, declined):
            groups[takers].append(post)
    return sorted(groups.items(), key=lambda group: (len(group[0]), group[0]))


def _level(loads: Sequence[int], count: int) -> tuple[int, int]:
    """Pour `count` posts over these loads: the level that all reach, and how many posts are left above it."""
    ordered = sorted(loads)
    for width in range(1, len(ordered) + 1):
        total = sum(ordered[:width]) + count
        if width == len(ordered) or total <= ordered[width] * width:
            return divmod(total, width)
    raise ValueError("no host takes these posts")


def _kept(
    group: Sequence[str],
    takers: Sequence[str],
    holders: Mapping[str, str],
    loads: dict[str, int],
    low: int,
    spare: int,
) -> set[str]:
    """The posts that stay where they are: those that rank highest there, and only `spare` hosts above `low`."""
    held = [post for post in group if holders.get(post) in takers]
    kept = set()
    for post in sorted(held, key=lambda post: _rank(post, holders[post]), reverse=True):
        load = loads[holders[post]]
        if load < low or (load == low and spare > 0):
            spare -= load == low
            loads[holders[post]] += 1
            kept.add(post)
    return kept


def _place(post: str, takers: Sequence[str], loads: Mapping[str, int], low: int, high: int) -> str:
    """The highest ranked host below the low level; if there is none, below the high one."""
    room = [host for host in takers if loads[host] < low] or [host for host in takers if loads[host] < high]
    return max(room, key=lambda host: _rank(post, host))


def _rank(post: str, host: str) -> bytes:
    """The same on every machine and in every process, unlike `hash`."""
    return hashlib.blake2b(f"{post}\0{host}".encode(), digest_size=8).digest()
