"""Clouds and pools that are not there: at the start, and while VMs run.

The rule: it is said which source is missed and why; nothing is started, ended or forgotten on the word of a look that
failed; and what can go on goes on.
"""

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab

ALWAYS = 100_000


def test_with_pool_and_cloud_away_at_the_start_nothing_is_invented(make_factory: MakeFactory) -> None:
    factory = make_factory()
    control, pool, host = factory.site.cloud.control, factory.site.pool, factory.host()
    factory.submit(1, seconds=1)
    control.fault("drop_before", "*", times=ALWAYS)
    pool.kill_collector(stays_dead=True)
    host.start()
    for post in ("pool/local", "cloud/private", "cloud/spot"):
        factory.until(lambda post=post: host.said("reading failed", post=post), f"{post} is missed by name", 20)
    pool.restart_collector()
    factory.until(lambda: factory.startds_head().at, "the pool is read", 20)
    factory.holds(lambda: not factory.vms() and not any(factory.wants().values()), "nothing is bought blindly", 4)
    terms = factory.fences_of()
    control.clear_faults()
    factory.until_done()
    factory.judge()
    factory.no_post_was_lost(terms)
    assert {line["post"] for line in host.said("reading works again")} >= {"pool/local", "cloud/private", "cloud/spot"}


def test_a_cloud_that_goes_away_delays_the_end_and_loses_no_vm(make_factory: MakeFactory) -> None:
    """The drain goes on, since it needs the pool alone; the end is asked for again until the cloud is back."""
    factory = make_factory()
    control, host = factory.site.cloud.control, factory.host()
    gate = factory.gate()
    factory.submit(1, gate=gate)
    host.start()
    factory.until(lambda: factory.running_jobs(), "the job runs", 40)
    factory.until(lambda: factory.vms("private", State.READY), "its VM has joined", 20)
    control.fault("drop_before", "*", times=ALWAYS)
    gate.open()
    factory.until(lambda: host.said("call failed", state="ending"), "the end cannot be asked for", 40)
    factory.holds(lambda: factory.vms("private", State.ENDING), "its row stands", 3)
    control.clear_faults()
    factory.until_done()
    factory.judge()
    factory.bought(1)
