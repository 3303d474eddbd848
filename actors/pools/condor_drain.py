"""Talking to one startd: look, drain, take a drain back. Runs in a child.

How we may drain a worker that has never heard of us (25.14 and 23.9, measured): each startd makes an administrator's
session and sends it to the collector in the private part of its ad. The collector hands it to a client that has
ADMINISTRATOR there and asks for private attributes. In htcondor2 only a command to a daemon *without a known address*
asks so: a no-op for administrators, sent by name, puts the session into this process, and drainJobs() finds it there.
The no-op is a proof too: the startd is alive, and we are its administrator. So a drain that then fails was refused by
the startd; its answer ("Startd failed to start draining jobs.") says no more than that, so it is asked again for why.

The rule it keeps: the startd itself checks the instance id and the retirement time, in the same breath as it takes the
drain. And what answers at an address is believed only if it is the machine that was asked for: a query by a name that
is not known answers with another machine's ad.
"""

from __future__ import annotations

from collections.abc import Iterator

import htcondor2
from classad2 import ClassAd, quote
from htcondor2.htcondor2_impl import _send_command

from actors.pools import condor_startds
from actors.pools.child import Failure
from actors.pools.condor_errors import LIBRARY_ERRORS, explained, failure, said
from actors.pools.condor_startds import INSTANCE_ID, Row

_NO_OP_FOR_ADMINISTRATORS = 60023
_NAME, _SLOTS = 0, -1  # of a machine's row
_SLOT_NAME, _SLOT_REASON, _SLOT_REQUEST = 0, 9, 11  # of a slot's row


def look(machine: str, address: str) -> Iterator[Row]:
    """The machine's row, from the startd at this address."""
    yield _asked(machine, address)


def drain(machine: str, address: str, instance_id: str, nonce: str, min_retirement_s: int) -> Iterator[str]:
    """The request id. Asking again with the nonce of a drain that the startd has taken gives that drain's id."""
    row = _asked(machine, address)
    if taken := _request_of(row, nonce):
        yield taken
        return
    _become_administrator(machine, row[_SLOTS][0][_SLOT_NAME])
    startd = htcondor2.Startd(ClassAd({"MyAddress": address}))
    try:
        yield startd.drainJobs(
            htcondor2.DrainType.Graceful,
            htcondor2.CompletionType.Nothing,
            check_expr=_check(instance_id, min_retirement_s),
            reason=f"apf {nonce}",
        )
    except LIBRARY_ERRORS as error:
        raise _refusal(machine, address, instance_id, min_retirement_s, error) from error


def cancel(machine: str, address: str, nonce: str, request_id: str) -> Iterator[bool]:
    """Take the drain with this nonce and this id back."""
    row = _asked(machine, address)
    shown = _request_of(row, nonce)
    if shown != request_id:
        there = f"it shows request {shown}" if shown else f"its drain reason is {_reasons(row) or 'empty'}"
        raise Failure("refused", f"startd {machine} does not show our drain {nonce} as request {request_id}: {there}")
    _become_administrator(machine, row[_SLOTS][0][_SLOT_NAME])
    try:
        htcondor2.Startd(ClassAd({"MyAddress": address})).cancelDrainJobs(request_id)
    except LIBRARY_ERRORS as error:
        raise Failure("refused", f"startd {machine} did not take request {request_id} back: {error}") from error
    yield True


def may_administer(machine: str, address: str) -> Iterator[bool]:
    """True when the startd takes our commands; else the Failure says why not."""
    _become_administrator(machine, _asked(machine, address)[_SLOTS][0][_SLOT_NAME])
    yield True


def _asked(machine: str, address: str) -> Row:
    """A worker that lets only known users read answers once we have an administrator's session with it."""
    said()
    try:
        rows = condor_startds.at(address)
    except LIBRARY_ERRORS as error:
        first = failure(f"startd {machine} was asked at {address}", error)
        if first.kind != "denied":
            raise first from error
        _become_administrator(machine, _name_in_collector(machine, address))
        with explained(f"startd {machine} was asked at {address}"):
            rows = condor_startds.at(address)
    for row in rows:
        if str(row[_NAME]).lower() == machine.lower():
            return row
    others = ", ".join(str(row[_NAME]) for row in rows) or "nobody"
    raise Failure("away", f"startd {machine} was asked at {address}, and {others} answered")


def _name_in_collector(machine: str, address: str) -> str:
    with explained(f"the collector was asked for startd {machine}"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = collector.query(htcondor2.AdType.Startd, f"MyAddress =?= {quote(address)}", ["Name"])
    for ad in ads:
        if condor_startds.startd_name(str(ad.get("Name", ""))).lower() == machine.lower():
            return str(ad["Name"])
    raise Failure("away", f"the collector knows no startd {machine} at {address}")


def _become_administrator(machine: str, slot: str) -> None:
    """Have this process hold an administrator's session with the startd of this slot."""
    with explained(f"startd {machine} was asked to let us administer it"):
        _send_command(ClassAd({"Name": slot})._handle, htcondor2.DaemonType.Startd, _NO_OP_FOR_ADMINISTRATORS, None)


def _check(instance_id: str, min_retirement_s: int) -> str:
    """Evaluated by the startd for each of its slots."""
    first, second, third = INSTANCE_ID
    shown = f"ifThenElse({first} =!= undefined, {first}, ifThenElse({second} =!= undefined, {second}, {third}))"
    return f"{shown} =?= {quote(instance_id)} && MaxJobRetirementTime >= {min_retirement_s}"


def _request_of(row: Row, nonce: str) -> str:
    """The request id that all slots show with this nonce, or nothing."""
    slots = row[_SLOTS]
    ids = {slot[_SLOT_REQUEST] for slot in slots if f"apf {nonce}" == slot[_SLOT_REASON]}
    ours = ids and all(f"apf {nonce}" == slot[_SLOT_REASON] for slot in slots)
    return str(ids.pop()) if ours and len(ids) == 1 else ""


def _reasons(row: Row) -> str:
    return ", ".join(sorted({repr(slot[_SLOT_REASON]) for slot in row[_SLOTS] if slot[_SLOT_REASON]}))


def _refusal(machine: str, address: str, instance_id: str, min_retirement_s: int, error: BaseException) -> Failure:
    row = _asked(machine, address)
    shown, retirement_s = row[2], row[6]
    if shown != instance_id:
        why = f"it is instance {shown or 'without an id'}, not {instance_id}"
    elif retirement_s < min_retirement_s:
        why = f"its MaxJobRetirementTime is {retirement_s} s, a drain needs {min_retirement_s} s or more"
    elif reasons := _reasons(row):
        why = f"it is draining already, for {reasons}"
    else:
        why = f"it did not say why ({error}); a running job may have set MaxJobRetirementTime"
    return Failure("refused", f"startd {machine} refused to drain: {why}")
