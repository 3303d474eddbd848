"""`make mutants`: a guard that is taken away must be missed by the tests of its place, within seconds.

Each mutation of the list is made in a copy of the tree, and the tests of its place are run until the first fails. First
the same tests run on the code as it is: where they fail, they say nothing about mutants.
"""

import argparse
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.mutants.listed import ROOT, Mutant, Stale, listed
from tests.mutants.scratch import Fate, Scratch

MOST_SURVIVORS = 0.05  # of all


class Copies:
    """As many copies of a tree as mutants are tried at once."""

    def __init__(self, tree: Path, directory: Path, count: int) -> None:
        self._free: queue.Queue[Scratch] = queue.Queue()
        for number in range(count):
            self._free.put(Scratch(tree, directory / f"{number}" / "tree"))

    @contextmanager
    def one(self) -> Iterator[Scratch]:
        scratch = self._free.get()
        try:
            yield scratch
        finally:
            self._free.put(scratch)


def stale(mutants: Sequence[Mutant], tree: Path) -> list[str]:
    """The entries that do not fit the tree."""
    wrong = []
    for mutant in mutants:
        try:
            mutant.applied((tree / mutant.file).read_text())
        except (Stale, OSError) as why:
            wrong.append(f"{mutant.name}: {why}" if isinstance(why, OSError) else str(why))
        wrong += [f"{mutant.name}: no tests at {test}" for test in mutant.tests if not _there(tree, test)]
    return wrong


def fails_as_it_is(copies: Copies, sets: Sequence[tuple[tuple[str, ...], float]], workers: int) -> list[str]:
    """Sets of tests, each with its limit, that do not pass without any mutation."""

    def passes(tests: tuple[str, ...], limit_s: float) -> str:
        with copies.one() as scratch:
            fate, said = scratch.run(tests, limit_s)
        return "" if fate is Fate.SURVIVED else f"{' '.join(tests)} without a mutation: {said}"

    with ThreadPoolExecutor(workers) as pool:
        return [said for said in pool.map(lambda one: passes(*one), sets) if said]


def tried(copies: Copies, mutants: Sequence[Mutant], workers: int, told: Console) -> list[tuple[Mutant, Fate, str]]:
    def one(mutant: Mutant) -> tuple[Mutant, Fate, str]:
        with copies.one() as scratch:
            fate, said = scratch.tried(mutant)
        told.print(f"{fate.value:8}  {mutant.name}", markup=False)
        return mutant, fate, said

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, mutants))


def verdict(found: Sequence[tuple[Mutant, Fate, str]]) -> tuple[list[str], bool]:
    """The lines of the report, and whether all is well: few survivors, each with its reason, and all tests ran."""
    survivors = [mutant for mutant, fate, _ in found if fate is Fate.SURVIVED]
    not_run = [f"{mutant.name}: {fate.value}: {said}" for mutant, fate, said in found if fate is Fate.NOT_RUN]
    unexplained = [mutant for mutant in survivors if not mutant.survives]
    good = [mutant.name for mutant, fate, _ in found if mutant.survives and fate in (Fate.KILLED, Fate.LATE)]
    lines = [
        *(
            f"SURVIVED  {mutant.name}\n          {mutant.survives or 'and nobody says why it may'}"
            for mutant in survivors
        ),
        *(f"NOT RUN   {line}" for line in not_run),
        *(f"its reason to survive is out of date, since it was killed: {name}" for name in good),
        f"{len(found)} mutants, {len(survivors)} survived ({100 * len(survivors) / max(1, len(found)):.1f} %; "
        f"allowed are {100 * MOST_SURVIVORS:g} %, each with its reason)",
    ]
    return lines, not (unexplained or not_run or len(survivors) > MOST_SURVIVORS * len(found))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("-n", type=int, default=2, help="how many are tried at once")
    parser.add_argument("--only", default="", help="only those whose name has this text in it")
    given = parser.parse_args()
    out, began = Console(highlight=False, soft_wrap=True), time.monotonic()
    mutants = [mutant for mutant in listed() if given.only in mutant.name]
    if wrong := stale(mutants, ROOT):
        out.print("\n".join(wrong), markup=False)
        return 1
    with tempfile.TemporaryDirectory(prefix="apf-mutants-") as folder:
        copies = Copies(ROOT, Path(folder), given.n)
        sets = list({mutant.tests: (mutant.tests, mutant.limit_s) for mutant in mutants}.values())
        if wrong := fails_as_it_is(copies, sets, given.n):
            out.print("\n".join(wrong), markup=False)
            return 1
        lines, well = verdict(tried(copies, mutants, given.n, out))
    out.print("\n".join([*lines, f"{time.monotonic() - began:.0f} s"]), markup=False)
    return 0 if well else 1


def _there(tree: Path, test: str) -> bool:
    return (tree / test.partition("::")[0]).exists()


if __name__ == "__main__":
    sys.exit(main())
