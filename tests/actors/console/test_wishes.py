"""`apf wishes`: what was asked, what became of it, whom it concerns still."""

from typing import Any

import pytest

from actors.config.load import load
from actors.console.wishes import WishLine, read
from actors.fleet.vm import State
from actors.host.operator_mailbox import OperatorDesk
from actors.runtime.messages import OperatorWish
from tests.actors.console.factory_file import FactoryFile, said
from tests.actors.console.factory_rows import Rows


class Post:
    """No mail is needed here."""

    def send(self, *_: object) -> None:
        return


class Desk:
    """The operator's desk of a host, with a clock that the test sets."""

    def __init__(self, file: FactoryFile, rows: Rows) -> None:
        self.now = rows.now()
        self._desk = OperatorDesk(load(file.path), rows.table, Post(), lambda: self.now)  # type: ignore[arg-type]
        self._number = 0

    def take(self, **changes: Any) -> str:
        self._number += 1
        plain = {"id": f"wish-000{self._number}", "verb": "drain", "selector": "cloud", "name": "spot"}
        mail = OperatorWish.model_validate(plain | {"reason": "a new kernel", "by": "ada"} | changes)
        self._desk.take(mail)
        self.now += 1
        return mail.id


@pytest.fixture
def desk(file: FactoryFile, rows: Rows) -> Desk:
    return Desk(file, rows)


def lines(file: FactoryFile, everything: bool = False) -> dict[str, WishLine]:
    return {line.id: line for line in read(load(file.path), everything)}


def test_no_wish_is_said_to_be_none(file: FactoryFile) -> None:
    assert said(file.apf("wishes")) == "no wishes"


def test_a_wish_says_what_by_whom_and_how_many_vms_it_still_concerns(file: FactoryFile, rows: Rows, desk: Desk) -> None:
    for state in (State.READY, State.DRAINING, State.ENDED):
        rows.vm("spot", state)
    rows.vm("private", State.READY)
    wish = desk.take()
    line = lines(file)[wish]
    assert (line.verb, line.what, line.by, line.reason) == ("drain", "cloud spot", "ada", "a new kernel")
    assert (line.verdict, line.vms) == ("accepted", 2)
    assert 86_000 < line.ends_in_s <= 86_402
    text = said(file.apf("wishes"))
    assert "drain cloud spot" in text
    assert "a new kernel" in text
    assert "24 h" in text


def test_a_newer_opposite_wish_takes_the_vms_over(file: FactoryFile, rows: Rows, desk: Desk) -> None:
    rows.vm("spot", State.READY)
    one = rows.vm("spot", State.READY)
    drain = desk.take()
    undrain = desk.take(verb="undrain", selector="vm", name=one.id)
    assert (lines(file)[drain].vms, lines(file)[undrain].vms) == (1, 1)


def test_a_refused_wish_says_what_it_was_and_why_not(file: FactoryFile, desk: Desk) -> None:
    wish = desk.take(name="sport")
    line = lines(file)[wish]
    assert (line.verb, line.what, line.verdict, line.by) == ("drain", "cloud sport", "refused", "ada")
    assert "did you mean spot?" in line.why
    assert "refused: there is no cloud 'sport'" in said(file.apf("wishes"))


def test_what_is_over_for_more_than_a_day_is_shown_on_demand(file: FactoryFile, desk: Desk) -> None:
    desk.now -= 200_000
    old = desk.take(life_s=10)
    assert old not in lines(file)
    assert lines(file, everything=True)[old].ends_in_s == 0
    assert "over" in said(file.apf("wishes", "--all"))
