"""A hold as it stands on the instance itself: a tag, for the day when the rows and every host are gone at once. Pure.

While there is a row, the row is the truth and the tag follows it. The tag's text is written into the row before the
cloud is asked to keep it; the cloud is asked again until its listing shows it, or shows it no more after a release.

- What is missing proves nothing: a VM without the tag is not released by that.
- A tag that the row does not know of holds the VM: it was written in a life that the rows do not remember (they were
  lost, or came back from an older copy), or by a person at the cloud's console. Only a listing begun a while after the
  row last changed its tag counts for this, since clouds list with a delay.
- A hold that came from a tag ends when an operator releases it, when the tag says that its time is over, or in a living
  wish that holds the VM anew.

Text of the tag: "UNTIL WORDS"; UNTIL are the Redis seconds (Unix time) at which the wish ends by itself, 0: never.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from actors.fleet.drain_and_hold import HoldBy, VmHold
from actors.fleet.observations import Instance
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish

LONGEST = 200  # characters; EC2 takes 256
LAGS_S = 60.0  # a listing may show an older tag for so long
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")  # in a tag's value, by EC2's rules for all its services
_UNTIL = re.compile(r"(\d{1,12}) (.*)")


def heeded(vm: Vm, tag: str, listed_at: float, now: float) -> Vm:
    """The VM after a listing, begun at `listed_at`, showed this tag ("": none) on its instance."""
    if not tag or vm.held or not vm.alive or tag == vm.held_tag:
        return vm
    if vm.tagged and listed_at <= vm.tagged + LAGS_S:
        return vm
    until, words = _read(tag)
    if until and until <= now:
        return replace(vm, held_tag=tag)  # over: it is known now, and taken away
    told = f"{words} (as the tag on its instance says)"
    return replace(vm, hold=VmHold(why=told, by=HoldBy.TAG, at=now, until=until), held_tag=tag)


def released(vm: Vm, release: Wish | None, now: float) -> Vm:
    """A hold known from a tag ends by an operator's word that is younger than it, or with its time."""
    if vm.hold is None or vm.hold.by is not HoldBy.TAG:
        return vm
    over = 0 < vm.hold.until <= now or (release is not None and release.at >= vm.hold.at)
    return replace(vm, hold=None) if over else vm


def noted(vm: Vm, now: float) -> Vm:
    """The row says which tag its hold needs, before the cloud is asked for it."""
    if vm.hold is None or not vm.alive or vm.hold.by is HoldBy.TAG or vm.held_tag == (tag := _tag(vm.hold)):
        return vm
    return replace(vm, held_tag=tag, tagged=now)


def to_tag(vms: Iterable[Vm], instances: Iterable[Instance]) -> dict[str, list[Vm]]:
    """By the tag that they should have ("": none), the VMs whose instances are shown with another."""
    known = [vm for vm in vms if vm.held_tag and vm.alive and vm.state is not State.ENDING]
    shown = {one.id: one.held for one in instances if not one.dead and one.state != "ending"} if known else {}
    found: dict[str, list[Vm]] = defaultdict(list)
    for vm in known:
        tag = shown.get(vm.instance_id)
        if tag is None:
            continue
        if vm.held and tag != vm.held_tag:
            found[vm.held_tag].append(vm)
        elif not vm.held and tag == vm.held_tag:
            found[""].append(vm)
    return found


def _tag(hold: VmHold) -> str:
    """Made of what a cloud takes as it is: no character outside its set, no space at an end or beside another."""
    words = " ".join(_NOT_ALLOWED.sub("_", hold.why).split())
    return f"{int(hold.until)} {words}"[:LONGEST].strip()


def _read(tag: str) -> tuple[float, str]:
    """Until when and why. What a person wrote by hand is all words."""
    written = _UNTIL.fullmatch(tag)
    return (float(written[1]), written[2]) if written else (0.0, tag)
