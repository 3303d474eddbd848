"""The driver says what survived, and lets no entry pass that tries nothing; the list fits the code."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.mutants.__main__ import MOST_SURVIVORS, Copies, fails_as_it_is, stale, tried, verdict
from tests.mutants.listed import HERE, ROOT, Mutant, Stale, listed
from tests.mutants.scratch import Fate

LEAST = 150
CODE = "def most(a, b):\n    return a if a > b else b\n"
TESTS = "from product import most\n\ndef test_it():\n    assert most(1, 2) == most(2, 1) == 2\n"
ENDLESS = "def test_it():\n    from product import most\n    while most(1, 2) == 1: pass\n"


def mutant(old: str, new: str, tests: tuple[str, ...] = ("test_it.py",), **changes: object) -> Mutant:
    return Mutant(file="product.py", old=old, new=new, tests=tests, **changes)  # type: ignore[arg-type]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    (made / "product.py").write_text(CODE)
    (made / "test_it.py").write_text(TESTS)
    (made / "test_endless.py").write_text(ENDLESS)
    return made


def fates(tree: Path, *mutants: Mutant) -> list[Fate]:
    copies = Copies(tree, tree.parent / "copies", 2)
    return [fate for _, fate, _ in tried(copies, mutants, 2, Console(quiet=True))]


def test_a_mutant_is_killed_or_survives_and_the_copy_is_as_it_was_for_the_next(tree: Path) -> None:
    greater, equal = mutant("a > b", "a < b"), mutant("a > b", "a >= b")
    assert fates(tree, greater, equal, greater, equal) == [Fate.KILLED, Fate.SURVIVED] * 2
    assert (tree / "product.py").read_text() == CODE


def test_a_mutant_that_goes_on_for_ever_is_killed_by_its_limit(tree: Path) -> None:
    assert fates(tree, mutant("a > b", "a < b", ("test_endless.py",), limit_s=3.0)) == [Fate.LATE]


def test_a_mutant_that_cannot_be_imported_was_not_tried(tree: Path) -> None:
    assert fates(tree, mutant("a > b else b", "a >")) == [Fate.NOT_RUN]


def test_an_entry_that_does_not_fit_exactly_once_is_stale(tree: Path) -> None:
    many, none, same = mutant("a", "c"), mutant("a == b", "c"), mutant("a > b", "a > b")
    nowhere = mutant("a > b", "a < b", ("test_gone.py",))
    for one, why in ((many, "stands 3 times"), (none, "stands 0 times"), (same, "changes nothing")):
        with pytest.raises(Stale, match=why):
            one.applied(CODE)
    assert len(stale([many, none, same, nowhere, mutant("a > b", "a < b")], tree)) == 4


def test_tests_that_fail_without_a_mutation_prove_nothing(tree: Path) -> None:
    (tree / "test_red.py").write_text("def test_it(): assert False\n")
    copies = Copies(tree, tree.parent / "copies", 1)
    (said,) = fails_as_it_is(copies, [(("test_it.py",), 60.0), (("test_red.py",), 60.0)], 1)
    assert said.startswith("test_red.py without a mutation")


def test_a_survivor_needs_a_reason_and_there_may_be_few() -> None:
    def found(survivors: int, reason: str) -> list[tuple[Mutant, Fate, str]]:
        killed = [(mutant("a", "b"), Fate.KILLED, "")] * (100 - survivors)
        return killed + [(mutant("a", "b", survives=reason), Fate.SURVIVED, "")] * survivors

    assert verdict(found(5, "nothing can tell"))[1]
    assert not verdict(found(1, ""))[1]
    assert not verdict(found(6, "nothing can tell"))[1]
    lines, well = verdict([(mutant("a", "b"), Fate.NOT_RUN, "no such module")])
    assert not well
    assert "no such module" in lines[0]


def test_the_list_fits_the_code() -> None:
    """Who changes a line that is listed writes its entry anew: what guards it now, and what is seen without it."""
    assert stale(listed(), ROOT) == []


def test_the_list_is_long_and_covers_every_part_and_excuses_few() -> None:
    mutants = listed()
    excused = [one for one in mutants if one.survives]
    assert len(mutants) >= LEAST
    assert len({(one.file, one.old, one.new) for one in mutants}) == len(mutants)
    assert len(excused) <= MOST_SURVIVORS * len(mutants)
    assert {path.stem for path in HERE.glob("*.toml")} == {"acting", "adapters", "broker", "fleet", "policies"}
