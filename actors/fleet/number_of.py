"""How many of something, in a sentence: "1 job", "2 jobs". The one place that knows plurals."""

from __future__ import annotations

KEPT = frozenset({"MiB of memory", "MiB of disk", "US$/h"})  # units that have no plural
ODD = {"class": "classes"}
IRREGULAR = {"are": "is", "have": "has", "match": "matches", "carry": "carries", "never": "never"}


def number_of(n: float, noun: str, verb: str = "") -> str:
    """`noun`: in the singular, its last word is the one that changes; `verb`: what several of them do, as `wait`."""
    amount = f"{n:g}" if isinstance(n, float) else f"{n}"
    if n == 1:
        return f"{amount} {noun}" + (f" {_of_one(verb)}" if verb else "")
    first, _, last = noun.rpartition(" ")
    several = noun if noun in KEPT else f"{first} {ODD.get(last, f'{last}s')}".lstrip()
    return f"{amount} {several}" + (f" {verb}" if verb else "")


def _of_one(verb: str) -> str:
    first, _, rest = verb.partition(" ")
    return IRREGULAR.get(first, f"{first}s") + (f" {rest}" if rest else "")
