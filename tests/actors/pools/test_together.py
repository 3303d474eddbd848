"""Many questions become few, and no answer is older than its question."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.pools.together import SharedQuestion
from tests.late import within


def test_who_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    asked: list[tuple[str, ...]] = []
    begun, go_on = threading.Event(), threading.Event()

    def ask(places: tuple[str, ...]) -> dict[str, int]:
        asked.append(places)
        begun.set()
        go_on.wait(20)
        return dict.fromkeys(places, len(asked))

    together = SharedQuestion(ask)
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(together.ask, ("a",))
        assert begun.wait(20)
        later = [threads.submit(together.ask, (f"b{n}", "a")) for n in range(10)]
        within(20, "all wait", lambda: len(together._waiting) == 10)
        go_on.set()
        assert first.result(20) == {"a": 1}
        assert [one.result(20) for one in later] == [{f"b{n}": 2, "a": 2} for n in range(10)]
    assert len(asked) == 2


def test_an_error_is_everybodys_who_asked_and_nobodys_who_asks_later() -> None:
    answers = iter([RuntimeError("away"), {"a": 3}])

    def ask(_: tuple[str, ...]) -> dict[str, int]:
        told = next(answers)
        if isinstance(told, Exception):
            raise told
        return told

    together = SharedQuestion(ask)
    with pytest.raises(RuntimeError):
        together.ask(("a",))
    assert together.ask(("a",)) == {"a": 3}
