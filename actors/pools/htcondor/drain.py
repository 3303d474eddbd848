"""Talking to one startd: look, drain, take a drain back. Runs in a child.

How we may drain a worker that has never heard of us (25.14 and 23.9, measured): each startd makes an administrator's
session and sends it to the collector in the private part of its ad. The collector hands it to a client that has
ADMINISTRATOR there and asks for private attributes. In htcondor2 only a command to a daemon *without a known address*
asks so: a no-op for administrators, sent by name, puts the session into this process, and drainJobs() finds it there.
The no-op is a proof too: the startd is alive, and we are its administrator. So a drain that then fails was refused by
the startd; its answer ("Startd failed to start draining jobs.") says no more than that, so it is asked again for why.

The rule it keeps: the startd itself checks the instance id and the retirement time, in the same breath as it takes the
drain. What a slot without a claim grants does not matter: there is nobody to evict. (A drain that is taken back as its
last job ends leaves such a slot with a retirement time of 0; one more drain while it is idle brings the old time back,
measured.) Nor does it take one while a claim waits for its job to begin: the job would lose its place and wait anew (in
busy streams one in 40 to 100 did). That is over in a moment, so such a drain is asked for again and not given up. And
what answers at an address is believed only if it is the machine that was asked for: a query by a name that is not known
answers with another machine's ad.
"""

from __future__ import annotations

from collections.abc import Iterator

import htcondor2
from classad2 import ClassAd, quote
from htcondor2.htcondor2_impl import _send_command

from actors.pools.htcondor import startds
from actors.pools.htcondor.child_main import Failure
from actors.pools.htcondor.errors import LIBRARY_ERRORS, asked_twice, explained, failure, said
from actors.pools.htcondor.startds import INSTANCE_ID, Row

_NO_OP_FOR_ADMINISTRATORS = 60023
_BETWEEN = 'State =?= "Claimed" && Activity =?= "Idle"'  # a claim was handed out, and its job has not begun
_FREE = '(State =?= "Unclaimed" || State =?= "Owner") && (NumDynamicSlots > 0) =!= true'  # a drain evicts nobody here
_NAME, _INSTANCE_ID, _RETIREMENT_S, _SLOT, _STATE, _CHILDREN, _REASON, _REQUEST = 0, 2, 6, 8, 9, 12, 17, 19  # of a row


def look(machine: str, address: str) -> Iterator[list[Row]]:
    """The rows of the machine's slots, from the startd at this address."""
    yield _asked(machine, address)


def drain(machine: str, address: str, instance_id: str, nonce: str, min_retirement_s: int) -> Iterator[str]:
    """The request id. Asking again with the nonce of a drain that the startd has taken gives that drain's id."""
    rows = _asked(machine, address)
    if taken := _request_of(rows, nonce):
        yield taken
        return
    _become_administrator(machine, rows[0][_SLOT])
    startd = htcondor2.Startd(ClassAd({"MyAddress": address}))
    try:
        request_id = startd.drainJobs(
            htcondor2.DrainType.Graceful,
            htcondor2.CompletionType.Nothing,
            check_expr=_gently(instance_id, min_retirement_s),
            reason=f"apf {nonce}",
        )
    except LIBRARY_ERRORS as error:
        raise _declined(machine, address, instance_id, min_retirement_s, error) from error
    yield str(request_id)


def evict(machine: str, address: str, instance_id: str, nonce: str, request_id: str, new_nonce: str) -> Iterator[str]:
    """The request id of a quick drain instead of our graceful one.

    A startd that drains refuses any other drain, whatever its speed (its code says so, 8 to 25). So ours is taken back
    first; a job that comes in between is evicted with the others. Quick is not Fast: a job is told, and has the time
    that the worker's MachineMaxVacateTime gives it.
    """
    rows = _asked(machine, address)
    if taken := _request_of(rows, new_nonce):
        yield taken
        return
    for _ in cancel(machine, address, nonce, request_id):
        pass
    startd = htcondor2.Startd(ClassAd({"MyAddress": address}))
    quick, nothing = htcondor2.DrainType.Quick, htcondor2.CompletionType.Nothing
    try:
        taken = startd.drainJobs(quick, nothing, check_expr=_is_instance(instance_id), reason=f"apf {new_nonce}")
    except LIBRARY_ERRORS as error:
        raise Failure("refused", f"startd {machine} refused to evict: {error}") from error
    yield str(taken)


def cancel(machine: str, address: str, nonce: str, request_id: str) -> Iterator[bool]:
    """Take the drain with this nonce and this id back."""
    rows = _asked(machine, address)
    shown = _request_of(rows, nonce)
    if shown != request_id:
        there = f"it shows request {shown}" if shown else f"its drain reason is {_reasons(rows) or 'empty'}"
        raise Failure("refused", f"startd {machine} does not show our drain {nonce} as request {request_id}: {there}")
    _become_administrator(machine, rows[0][_SLOT])
    try:
        htcondor2.Startd(ClassAd({"MyAddress": address})).cancelDrainJobs(request_id)
    except LIBRARY_ERRORS as error:
        raise Failure("refused", f"startd {machine} did not take request {request_id} back: {error}") from error
    yield True


def may_administer(machine: str, address: str) -> Iterator[bool]:
    """True when the startd takes our commands; else the Failure says why not."""
    _become_administrator(machine, _asked(machine, address)[0][_SLOT])
    yield True


def _asked(machine: str, address: str) -> list[Row]:
    """At least one row. A worker that lets only known users read answers in an administrator's session."""
    what = f"startd {machine} was asked at {address}"
    said()
    try:
        rows = startds.at(address)
    except LIBRARY_ERRORS as error:
        first = failure(what, error)
        if first.kind != "denied":
            raise first from error
        _become_administrator(machine, _name_in_collector(machine, address))
        with explained(what):
            rows = startds.at(address)
    if any(_is(machine, row[_NAME]) for row in rows):
        return [row for row in rows if _is(machine, row[_NAME])]
    others = ", ".join(sorted({str(row[_NAME]) for row in rows})) or "nobody"
    raise Failure("wrong", f"{what}, and {others} answered")


def _is(machine: str, name: str) -> bool:
    return machine.lower() == name.lower()


def _name_in_collector(machine: str, address: str) -> str:
    """The name of a slot of this startd."""
    with explained(f"the collector was asked for startd {machine}"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        here = f"MyAddress =?= {quote(address)}"
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, here, ["Name"]))
    for name in (startds.text_of(ad, "Name") for ad in ads):
        if _is(machine, startds.startd_name(name)):
            return name
    raise Failure("away", f"the collector knows no startd {machine} at {address}")


def _become_administrator(machine: str, slot: str) -> None:
    """Have this process hold an administrator's session with the startd of this slot."""
    with explained(f"startd {machine} was asked to let us administer it"):
        startd, no_op = htcondor2.DaemonType.Startd, _NO_OP_FOR_ADMINISTRATORS
        asked_twice(lambda: _send_command(ClassAd({"Name": slot})._handle, startd, no_op, None))


def _gently(instance_id: str, min_retirement_s: int) -> str:
    """Evaluated by the startd for each of its slots, dynamic ones too: another START than ours may have let jobs in."""
    worker = f"{_is_instance(instance_id)} && (MaxJobRetirementTime >= {min_retirement_s} || ({_FREE}))"
    return f"{worker} && !({_BETWEEN}) && !({_evicting(min_retirement_s)})"


def _evicting(min_retirement_s: int) -> str:
    """Whether a drain would evict the job of this slot: what its own MaxJobRetirementTime leaves it is too little.

    The slot's own MaxJobRetirementTime says nothing of the job's; what is left is the smaller of both (measured).
    """
    left = "RetirementTimeRemaining"
    return f'State =?= "Claimed" && Activity =!= "Idle" && {left} =!= undefined && {left} < {min_retirement_s}'


def _is_instance(instance_id: str) -> str:
    first, second, third = INSTANCE_ID
    shown = f"ifThenElse({first} =!= undefined, {first}, ifThenElse({second} =!= undefined, {second}, {third}))"
    return f"{shown} =?= {quote(instance_id)}"


def _request_of(rows: list[Row], nonce: str) -> str:
    """The request id that all slots show with this nonce, or nothing."""
    if any(row[_REASON] != f"apf {nonce}" for row in rows):
        return ""
    ids = {str(row[_REQUEST]) for row in rows}
    return ids.pop() if len(ids) == 1 else ""


def _reasons(rows: list[Row]) -> str:
    return ", ".join(sorted({repr(row[_REASON]) for row in rows if row[_REASON]}))


def _declined(machine: str, address: str, instance_id: str, min_retirement_s: int, error: BaseException) -> Failure:
    """Why it does not drain, by the remedy: asked once more, it says what its slots are by now."""
    why = _why(_asked(machine, address), instance_id, min_retirement_s)
    if not why and (slots := _where(address, _evicting(min_retirement_s))):
        why = f"it would evict a job in {slots}: it asks for too little MaxJobRetirementTime, and no START kept it out"
    if not why and _where(address, _BETWEEN):
        return Failure("away", f"startd {machine}: a claim there waits for its job to begin")
    return Failure("refused", f"startd {machine} refused to drain: {why or f'it did not say why ({error})'}")


def _where(address: str, condition: str) -> str:
    """The slots, dynamic ones too, for which it holds now."""
    try:
        return ", ".join(sorted(startds.names(address, condition)))
    except LIBRARY_ERRORS:
        return ""


def _why(rows: list[Row], instance_id: str, min_retirement_s: int) -> str:
    """As far as its slots say it, else nothing."""
    shown = rows[0][_INSTANCE_ID]
    retirement_s = min((row[_RETIREMENT_S] for row in rows if not _is_free(row)), default=min_retirement_s)
    if shown != instance_id:
        return f"it is instance {shown or 'without an id'}, not {instance_id}"
    if retirement_s < min_retirement_s:
        return f"its MaxJobRetirementTime is {retirement_s} s, a drain needs {min_retirement_s} s or more"
    if reasons := _reasons(rows):
        return f"it is draining already, for {reasons}"
    return ""


def _is_free(row: Row) -> bool:
    return row[_STATE] in ("Unclaimed", "Owner") and not row[_CHILDREN]
