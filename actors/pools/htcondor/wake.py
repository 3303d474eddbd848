"""Calling the negotiator. Runs in a child.

A schedd's own call (`Schedd.reschedule`, which is what condor_submit and condor_reschedule send) is not enough (25.14,
measured at a pool's own pace): it brought a negotiation once after the schedd's start, and none afterwards. The same
command to the negotiator itself brings one, as soon as NEGOTIATOR_CYCLE_DELAY has passed since the last. Who may
administer it, or advertise schedds, may send it: a factory that drains has ADMINISTRATOR at the central manager.
"""

from __future__ import annotations

from collections.abc import Iterator

import htcondor2
from htcondor2.htcondor2_impl import _send_command

from actors.pools.htcondor.errors import asked_twice, explained

_RESCHEDULE = 421


def wake() -> Iterator[int]:
    """Ask each negotiator that the collector knows for a negotiation; yields how many there are."""
    with explained("the collector was asked for negotiators"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        known = asked_twice(lambda: collector.query(htcondor2.AdType.Negotiator, projection=["Name", "MyAddress"]))
    for ad in known:
        with explained(f"negotiator {ad.get('Name', '')} was asked to negotiate"):
            _send_command(ad._handle, htcondor2.DaemonType.Negotiator, _RESCHEDULE, None)
    yield len(known)
