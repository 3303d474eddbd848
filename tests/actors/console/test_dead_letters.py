"""`apf dead`: letters listed, shown, sent again, dropped; in a real Redis, with a real mailroom."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.runtime.messages import KINDS, LookAtWishes
from broker.codec import CONTENT_TYPE, encode
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.mail.dead_letters import KEPT_BYTES, DeadLetters
from broker.mail.mailboxes import Mailroom
from tests.actors.console.factory_file import FactoryFile, said
from tests.broker.post import wait_for

BOX = "retirement@cloud/spot"


@pytest.fixture
def dead(site: Site) -> DeadLetters:
    return DeadLetters(site.client(), site)


class Room:
    """A mailroom of this version, and what came."""

    def __init__(self, site: Site, dead: DeadLetters) -> None:
        clock = RedisClock(site.client())
        self.came: list[Any] = []
        self.came_one = threading.Event()
        self.room = Mailroom(site, KINDS, self._deliver, dead, clock)
        self.room.subscribe(BOX)
        self.room.start()

    def _deliver(self, _mailbox: str, message: Any, _envelope: Any) -> None:
        self.came.append(message)
        self.came_one.set()


@pytest.fixture
def room(site: Site, dead: DeadLetters) -> Iterator[Room]:
    made = Room(site, dead)
    yield made
    assert made.room.close()


def wish_news() -> bytes:
    return encode(LookAtWishes(), sender="test#1", sent_at=1.0)


def only(dead: DeadLetters) -> str:
    (letter,) = dead.list()
    return letter.id


def test_no_letters_are_said_to_be_none(file: FactoryFile) -> None:
    assert said(file.apf("dead", "list")) == "no dead letters"


def test_a_letter_is_listed_and_shown_with_its_reason_and_its_fields(file: FactoryFile, dead: DeadLetters) -> None:
    dead.add(BOX, "kind 'tomorrow' is not known here", wish_news(), CONTENT_TYPE)
    listed = said(file.apf("dead", "list"))
    assert only(dead) in listed
    assert "kind 'tomorrow' is not known here" in listed
    shown = said(file.apf("dead", "show", only(dead)))
    assert BOX in shown
    assert CONTENT_TYPE in shown
    assert "'kind': 'look-at-wishes'" in shown


def test_nothing_of_a_letter_can_play_with_the_terminal(file: FactoryFile, dead: DeadLetters) -> None:
    dead.add("box\x1b]0;owned\x07", "reason\x1b[2J", b"\x1b[2Jbody", "type\x1b[2J")
    for words in (("list",), ("show", only(dead))):
        assert "\x1b" not in file.apf("dead", *words).output


def test_a_replayed_letter_is_delivered_as_it_was_and_is_no_dead_letter_any_more(
    file: FactoryFile, dead: DeadLetters, room: Room
) -> None:
    dead.add(BOX, "its kind was not known then", wish_news(), CONTENT_TYPE)
    result = file.apf("dead", "replay", only(dead))
    assert (result.exit_code, said(result)) == (0, "1 sent again")
    assert room.came_one.wait(20)
    assert room.came == [LookAtWishes()]
    assert dead.count() == 0


@pytest.mark.usefixtures("room")
def test_a_replayed_letter_that_still_cannot_be_read_is_a_dead_letter_again(
    file: FactoryFile, dead: DeadLetters
) -> None:
    dead.add(BOX, "first", wish_news(), "text/plain")
    before = only(dead)
    assert file.apf("dead", "replay", before).exit_code == 0
    wait_for(lambda: dead.count() == 1 and only(dead) != before)
    assert "content type 'text/plain'" in dead.list()[0].reason


def test_what_was_cut_or_was_no_mail_is_not_sent_and_stays(file: FactoryFile, dead: DeadLetters, site: Site) -> None:
    dead.add(BOX, "cut", b"x" * (KEPT_BYTES + 1), CONTENT_TYPE)
    dead.add(BOX, "raw", b"garbage")
    result = file.apf("dead", "replay", "all")
    assert result.exit_code == 1
    assert "0 sent again" in said(result)
    assert "its sender must send it again" in said(result)
    assert "no mail that anything can read" in said(result)
    assert dead.count() == 2
    assert site.client().llen(site.mailbox(BOX)) == 0


def test_letters_are_dropped_one_by_one_or_all(file: FactoryFile, dead: DeadLetters) -> None:
    for number in range(3):
        dead.add(BOX, str(number), b"x")
    newest = dead.list()[0].id
    assert said(file.apf("dead", "drop", newest)) == "1 dropped"
    assert [letter.reason for letter in dead.list()] == ["1", "0"]
    assert said(file.apf("dead", "drop", "all")) == "2 dropped"
    assert dead.count() == 0


@pytest.mark.parametrize("letter", ["1-1", "not-an-id", "*"])
@pytest.mark.parametrize("what", ["show", "replay", "drop"])
def test_a_letter_that_is_not_there_exits_with_1(file: FactoryFile, what: str, letter: str) -> None:
    result = file.apf("dead", what, letter)
    assert result.exit_code == 1
    assert "there is no dead letter" in said(result)


@pytest.mark.parametrize("words", [("list", "1-1"), ("show",), ("burn", "1-1")])
def test_what_cannot_be_meant_exits_with_2(file: FactoryFile, words: tuple[str, ...]) -> None:
    assert file.apf("dead", *words).exit_code == 2
