"""Every verb of the operator's mailbox honours every option that its command offers, and offers no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from typer.testing import CliRunner

from actors.cli import app
from actors.config.load import load
from actors.console import send_wish
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, for_cloud, for_queue, for_vm
from actors.host.operator_mailbox import OperatorDesk
from actors.policies.disruption.converge import Scene, follow, withheld
from actors.runtime.messages import OperatorWish
from actors.runtime.wish_mail import wish_of
from actors.store.wants import WishOutcome
from tests.actors.fleet.made import NOW, vm

VERBS = ("drain", "undrain", "hold", "release", "kill", "freeze", "thaw")
CONFIG = """
[factory]
name = "options"
[pools.local]
collector = "cm"
[clouds.private]
kind = "ec2"
region = "r"
image = "ami-1"
instance_type = "t"
max_vms = 9
shape = { cpus = 1, memory_mib = 1000 }
[clouds.spot]
kind = "ec2"
region = "r"
image = "ami-1"
instance_type = "t"
max_vms = 9
shape = { cpus = 1, memory_mib = 1000 }
[queues.atlas]
pool = "local"
jobs = "true"
cascade = [["private"], ["spot"]]
[queues.cms]
pool = "local"
jobs = "true"
cascade = [["spot"]]
"""
FLEET = [
    vm(State.READY, id="x-0", instance_id="i-0", cloud="private", queue="atlas"),
    vm(State.READY, id="x-1", instance_id="i-1", cloud="spot", queue="atlas", usd_per_hour=1.0),
    vm(State.READY, id="x-2", instance_id="i-2", cloud="spot", queue="cms"),
]
GROUPS = ("freeze", "thaw")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "apf.toml"
    path.write_text(CONFIG)
    return path


class Sent:
    """What a command asked for: the mail, how long it waits, and how often it said before what will be done."""

    def __init__(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.mails, self.waits, self.told = config, list[OperatorWish](), list[float](), 0
        monkeypatch.setattr(send_wish, "ask", self._ask)
        monkeypatch.setattr(send_wish, "before", self._before)

    def _ask(self, _config: Any, wanted: OperatorWish, wait_s: float) -> WishOutcome:
        self.mails.append(wanted)
        self.waits.append(wait_s)
        return WishOutcome(id=wanted.id, verdict="accepted", why="so it is", at=NOW)

    def _before(self, _config: Any, _wanted: OperatorWish) -> tuple[str, ...]:
        self.told += 1
        return ("so it will be",)

    def say(self, verb: str, *arguments: str, given: str = "y\n", reason: str = "why") -> click.testing.Result:
        done = CliRunner().invoke(app, [verb, str(self.config), "--reason", reason, *arguments], input=given)
        assert done.exit_code == 0, done.output
        return done

    def wish(self, verb: str, *arguments: str) -> Wish:
        self.say(verb, *arguments)
        mail, settings = self.mails[-1], load(self.config)
        desk = OperatorDesk(settings, None, None, lambda: NOW)  # type: ignore[arg-type]
        desk._vms = lambda: FLEET  # type: ignore[method-assign]
        assert desk._wrong(mail) == "", "what a command offers its host takes"
        return wish_of(mail, settings, FLEET, NOW)


@pytest.fixture
def sent(config: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(config, monkeypatch)


def concerned(wish: Wish) -> set[str]:
    return {one.id for one in FLEET if for_vm([wish], wish.verb, one)}


def one_vm(sent: Sent, verb: str) -> None:
    assert concerned(sent.wish(verb, "--vm", "x-0")) == {"x-0"}
    assert concerned(sent.wish(verb, "--vm", "i-1")) == {"x-1"}


def one_cloud(sent: Sent, verb: str) -> None:
    wish = sent.wish(verb, "--cloud", "spot")
    assert concerned(wish) == {"x-1", "x-2"}
    assert for_cloud([wish], verb, "spot")
    assert not for_cloud([wish], verb, "private")


def one_queue(sent: Sent, verb: str) -> None:
    wish = sent.wish(verb, "--queue", "atlas")
    assert concerned(wish) == {"x-0", "x-1"}
    assert for_queue([wish], verb, "spot", "atlas")
    assert not for_queue([wish], verb, "spot", "cms")


def everything(sent: Sent, verb: str) -> None:
    wish = sent.wish(verb, "--all")
    assert concerned(wish) == {"x-0", "x-1", "x-2"}
    assert for_cloud([wish], verb, "private")


def so_many(sent: Sent, verb: str) -> None:
    assert concerned(sent.wish(verb, "--queue", "atlas", "--count", "1")) == {"x-1"}, "the dearest"


def instead(sent: Sent, verb: str) -> None:
    for option, kept_out in (("--no-replace", 2), ("--replace", 0)):
        wish = sent.wish(verb, "--queue", "atlas", option)
        known = {"atlas": NOW}  # a want that was decided since
        assert withheld(after(wish), (wish,), known, NOW)["atlas"] == kept_out


def after(wish: Wish) -> list[Vm]:
    scene = Scene(wants={"atlas": 2, "cms": 1}, machines={}, wishes=(wish,), idle_since={}, frozen="", now=NOW)
    changes = follow(FLEET, scene)
    return [changes.rows.get(one.id, one) for one in FLEET]


def so_long(sent: Sent, verb: str) -> None:
    assert sent.wish(verb, "--all", "--life", "2m").ends == NOW + 120


def waits(sent: Sent, verb: str) -> None:
    sent.say(verb, "--all", "--wait", "7")
    assert sent.waits == [7.0]


def asks_back(sent: Sent, verb: str) -> None:
    assert "so it will be" in sent.say(verb, "--all").output
    assert "so it is" in sent.say(verb, "--all", "--yes", given="").output
    assert sent.told == 1


def with_reason(sent: Sent, verb: str) -> None:
    sent.say(verb, "--all", reason="a new kernel")
    assert sent.mails[-1].reason == "a new kernel"


HONOURED: dict[str, Callable[[Sent, str], None]] = {
    "vm": one_vm,
    "cloud": one_cloud,
    "queue": one_queue,
    "everything": everything,
    "count": so_many,
    "replace": instead,
    "life": so_long,
    "wait": waits,
    "yes": asks_back,
    "reason": with_reason,
}


def offered(verb: str) -> list[str]:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    return [one.name for one in command.params if one.name not in ("config", "help")]


@pytest.mark.parametrize(("verb", "option"), [(verb, option) for verb in VERBS for option in offered(verb)])
def test_a_verb_honours_the_option_that_it_offers(sent: Sent, verb: str, option: str) -> None:
    HONOURED[option](sent, verb)


def test_what_a_verb_cannot_honour_it_does_not_offer() -> None:
    assert {verb for verb in VERBS if "replace" in offered(verb)} == {"drain", "kill"}
    assert {verb for verb in VERBS if "count" in offered(verb)} == {"drain", "kill", "hold"}
    assert {verb for verb in VERBS if "vm" not in offered(verb)} == set(GROUPS)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("drain", "kill")])
def test_a_program_that_says_replace_where_it_means_nothing_is_refused(config: Path, verb: str) -> None:
    mail = OperatorWish.model_validate(
        {"id": "wish-0001", "verb": verb, "selector": "all", "reason": "why", "by": "a program", "replace": False}
    )
    desk = OperatorDesk(load(config), None, None, lambda: NOW)  # type: ignore[arg-type]
    assert "replace goes with one of drain, kill" in desk._wrong(mail)
