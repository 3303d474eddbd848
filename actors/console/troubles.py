"""What is wrong, in sentences with a remedy: the first thing that a person at 3 a.m. must see.

The rule it keeps: it weighs what the rows say and how old that is, and nothing else; so the same status gives the same
troubles. "bad" means that the factory cannot do its work, or that money is spent on nothing; "odd" may pass by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from actors.config.as_policy import deadlines_of
from actors.config.schema import Config
from actors.console.ago import clock
from actors.console.status_model import SourceStatus, Status, Trouble, WishStatus
from actors.fleet.drain_and_hold import HoldBy
from actors.fleet.number_of import number_of
from actors.fleet.reasons import Closing, Freezing, Unmatched
from actors.fleet.reconcile import astray_because
from actors.fleet.vm import Intent, Launch, State, Vm
from actors.fleet.wish import Wish, for_vm
from actors.fleet.wish import told as said
from actors.policies.disruption.drain_deadlines import overdue, told
from actors.store.readings import OLD_READINGS

THAW = "it is tried again by itself; once mended, at once with: apf thaw CONFIG --cloud {} --reason WHY"
GONE = "it thaws by itself; if what is missing is gone: apf thaw CONFIG --cloud {} --reason WHY"
LOOK = "it drains and is held for a look; then: apf release CONFIG --vm {} --reason WHY"
RELEASE = "its wish is not known any more; let it go with: apf release CONFIG --vm {} --reason WHY"
VAIN = "what the pool says against it: condor_q -better-analyze JOB"
SHAPE = "say in [clouds.{}] shape what its VMs are, or start larger ones; apf check --live CONFIG asks the cloud"
MOST_DAMAGED = 10  # that are told one by one
STRANGER = (
    "it is not adopted, and nothing is bought there; give one factory another name, or one Redis to both; if rows were"
    " lost and it is ours: apf thaw CONFIG --cloud {} --reason WHY"
)
ORPHANED = (
    "did a schedd lose its queue? its startd gives such a claim up when its lease ends, by default after 30 minutes; if"
    " nobody wants what runs there: apf kill CONFIG --vm ID --reason WHY"
)
SUSPECT = "a VM in doubt is not ended meanwhile; see who that is (condor_status -l); end the VM yourself with: apf kill"
ASTRAY = "name that pool again, or if no job is there: apf kill CONFIG --vm {} --reason WHY"
ONE_WISH = ("id", "verb", "selector", "names", "reason", "by", "at")
ENDING_S = 600.0  # a cloud that was asked to end a VM should have done it by then


def troubles(status: Status, config: Config, vms: Iterable[Vm], intents: Iterable[Intent]) -> tuple[Trouble, ...]:
    """The worst first."""
    all_vms = list(vms)
    found = [*_hosts(status), *_sources(status), *_queues(status), *_clouds(status), *_vms(all_vms, config, status.at)]
    found += [*_damaged(status), *_unwatched(all_vms, config), *_shapes(status), *_kills(status, all_vms)]
    found += _launches(intents, status.at)
    if config.factory.shadow:
        found.append(_odd("this is a shadow: it starts, drains and ends nothing, whatever it wants"))
    if status.dead_letters:
        found.append(
            _odd(f"{status.dead_letters} mails could not be read and were put aside", "see them: apf dead CONFIG list")
        )
    return tuple(sorted(found, key=lambda one: one.weight != "bad"))


def _hosts(status: Status) -> Iterator[Trouble]:
    for host in status.hosts:
        for one in host.troubles:
            yield _bad(f"host {host.name}: {one}", "see its log; the rest of the factory goes on")
    free = [post.post for post in status.posts if not post.holder]
    if not status.hosts:
        yield _bad("no host is alive: nothing is started, nothing is ended", "start one: apf run CONFIG")
    elif free:
        yield _odd(f"nobody holds {_some(free)}", "does a host take such posts? see --posts, and the hosts' logs")


def _damaged(status: Status) -> Iterator[Trouble]:
    todo = "its writer writes it anew where it can; what stays: apf doctor rows CONFIG"
    for one in status.damaged[:MOST_DAMAGED]:
        yield _bad(f"a value in Redis cannot be read: {one}", todo)
    if len(status.damaged) > MOST_DAMAGED:
        yield _bad(f"{len(status.damaged) - MOST_DAMAGED} more values in Redis cannot be read", todo)


def _sources(status: Status) -> Iterator[Trouble]:
    for source in status.sources:
        if source.failed:
            yield _bad(f"{source.name} fails{_last(source)}: {source.failed}", "what rests on it stays as it is")
        elif source.read_age_s is None:
            yield _odd(f"{source.name} was never read")
        elif source.read_age_s > max(OLD_READINGS * source.interval_s, 5.0) and status.hosts:
            yield _bad(f"{source.name} was last read {source.read_age_s:.0f} s ago", "see the log of its post's holder")


def _last(source: SourceStatus) -> str:
    return "" if source.read_age_s is None else f", last read {source.read_age_s:.0f} s ago"


def _queues(status: Status) -> Iterator[Trouble]:
    for queue in status.queues:
        for line, code in zip_longest(queue.cannot_run, queue.cannot_run_by):
            todo = VAIN if code is Unmatched.IN_VAIN else "a cloud with another shape, or other requirements"
            yield _bad(f"queue {queue.name}: {line}", todo)
        for line in queue.in_vain:
            yield _odd(f"queue {queue.name}: {line}", VAIN)
        if not queue.known and status.hosts:
            yield _odd(f"queue {queue.name}: its demand is not known, so its wants stay as they are")
        if queue.held:
            yield _odd(
                f"queue {queue.name}: {number_of(queue.held, 'job', 'are')} held", "ask their owner; see condor_q -hold"
            )


def _clouds(status: Status) -> Iterator[Trouble]:
    for cloud in status.clouds:
        until = f", for {cloud.closed_until - status.at:.0f} s more" if cloud.closed_until > status.at else ""
        if cloud.closed:
            todo = THAW if cloud.closed_by is Closing.BREAKER else ""
            yield _odd(f"nothing is started on {cloud.name}{until}: {cloud.closed}", todo.format(cloud.name))
        if cloud.frozen:
            todo = GONE if cloud.frozen_by is Freezing.SHORT else ""
            yield _odd(f"nothing is released on {cloud.name}: {cloud.frozen}", todo.format(cloud.name))
        if cloud.listing_short:
            yield _odd(f"no VM of {cloud.name} counts as ended by its listing: {cloud.listing_short}")
        for suspect in cloud.suspects:
            yield _bad(f"in the place of a VM of {cloud.name}: {suspect}", SUSPECT)
        for stranger in cloud.strangers:
            yield _bad(f"another factory of this name buys on {cloud.name}: {stranger}", STRANGER.format(cloud.name))
        for orphan in cloud.orphaned:
            yield _odd(f"on {cloud.name}: {orphan}", ORPHANED)
        if cloud.unmarked:
            lost = "they are lost if Redis loses all while no host runs"
            yield _odd(f"holds of {cloud.name}'s VMs do not stand on their instances too, {lost}: {cloud.unmarked}")


def _shapes(status: Status) -> Iterator[Trouble]:
    for cloud in status.clouds:
        todo = SHAPE.format(cloud.name)
        if cloud.shape_short:
            tell = _bad if cloud.shape_far_short else _odd
            yield tell(f"workers of {cloud.name} that joined have {cloud.shape_short}: they count as they are", todo)
        if cloud.shape_beyond:
            yield _odd(f"workers of {cloud.name} that joined have {cloud.shape_beyond}: too many are bought", todo)


def _vms(vms: Iterable[Vm], config: Config, now: float) -> Iterator[Trouble]:
    deadlines = deadlines_of(config)
    for vm in vms:
        age_s = now - vm.since
        if vm.state is State.ENDING and age_s > ENDING_S:
            yield _bad(f"VM {vm.id} ({vm.instance_id}) is ending for {age_s:.0f} s: {vm.reason}", "end it by hand")
        elif vm.state is State.BOOTING and vm.cloud in config.clouds:
            late_s = age_s - config.clouds[vm.cloud].boot_deadline_s
            if late_s > 0:
                yield _odd(f"VM {vm.id} ({vm.instance_id}) did not join, {late_s:.0f} s after its boot deadline")
        if vm.astray and vm.alive:
            yield _bad(f"VM {vm.id} ({vm.instance_id}) on {vm.cloud}: {astray_because(vm)}", ASTRAY.format(vm.id))
        if vm.held_by is HoldBy.BLACK_HOLE and vm.alive:
            yield _odd(f"VM {vm.id} ({vm.instance_id}) on {vm.cloud}: {vm.held}", LOOK.format(vm.id))
        if vm.held_by is HoldBy.TAG and vm.alive:
            yield _odd(f"VM {vm.id} ({vm.instance_id}) on {vm.cloud} is held: {vm.held}", RELEASE.format(vm.id))
        if deadline := overdue(vm, deadlines, now):
            yield _odd(
                f"VM {vm.id} on {vm.cloud} drains too long: {told(vm, deadline, now)}", f"see: apf why CONFIG {vm.id}"
            )
        if vm.drain_refused and vm.alive:
            yield _odd(f"VM {vm.id} on {vm.cloud} refuses to drain: {vm.drain_refused}")


def _unwatched(vms: Iterable[Vm], config: Config) -> Iterator[Trouble]:
    for cloud, alive in Counter(vm.cloud for vm in vms if vm.alive and vm.cloud not in config.clouds).items():
        yield _bad(
            f"{alive} VM{'s' * (alive > 1)} of {cloud}, which no configuration names: nobody drains or ends them",
            "name it again, with retired = true, and apf apply",
        )


def _kills(status: Status, vms: Iterable[Vm]) -> Iterator[Trouble]:
    """What a frozen cloud does as soon as it is thawed: an operator who thaws it should know."""
    stopped = {cloud.name for cloud in status.clouds if cloud.frozen_by is Freezing.STOPPED}
    wishes = [_wish(one) for one in status.wishes if one.verb == "kill"]
    alive = [vm for vm in vms if vm.alive and vm.cloud in stopped and vm.state is not State.ENDING]
    doomed = Counter((vm.cloud, by) for vm in alive if (by := for_vm(wishes, "kill", vm)) is not None)
    for (cloud, by), n in doomed.items():
        what = f"{number_of(n, 'VM', 'wait')} on {cloud} to be ended, and all jobs there: {said(by)}"
        yield _odd(what, f"that is done as soon as {cloud} is thawed, until {clock(by.ends)}")


def _wish(one: WishStatus) -> Wish:
    return Wish(**{name: getattr(one, name) for name in ONE_WISH}, ends=one.ends_at)


def _launches(intents: Iterable[Intent], now: float) -> Iterator[Trouble]:
    for intent in intents:
        if intent.state is Launch.SENT and intent.unknown:
            age_s = now - intent.written
            what = (
                f"whether launch {intent.id} on {intent.cloud} worked is not known for {age_s:.0f} s: {intent.unknown}"
            )
            yield _odd(what, "it is looked up; its VMs hold their places meanwhile")


def _bad(what: str, todo: str = "") -> Trouble:
    return Trouble(weight="bad", what=what, todo=todo)


def _odd(what: str, todo: str = "") -> Trouble:
    return Trouble(weight="odd", what=what, todo=todo)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
