"""Which pool a worker was told to join, as one word in its VM's row: `NAME at ADDRESS #DIGITS`.

Absence from a pool is evidence only of a VM that was told to join that pool. A configuration changes while VMs boot and
run: another collector, another trust domain, another token, a queue in another pool. What a row says stays what its VM
was told, and a reading says of what it is; only where the two agree does what is missing mean anything. The digits
stand for all that decides where a worker appears and who is asked for its jobs; the name may change without them.

An empty word is "not known": that of a row or a reading of a version that did not keep it. It agrees with nothing.
"""

from __future__ import annotations


def told(pool: str, address: str, digits: str) -> str:
    return f"{pool} at {address} #{digits}"


def name_of(word: str) -> str:
    """The pool's name, as it was then."""
    return word.partition(" at ")[0]


def place_of(word: str) -> str:
    """For a person: the name and the address."""
    return word.partition(" #")[0] or "a pool that is not known"


def same_pool(one: str, other: str) -> bool:
    """Whether both are known, and lead to the same pool in the same way."""
    return bool(one and other) and one.rpartition("#")[2] == other.rpartition("#")[2]
