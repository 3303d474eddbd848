"""A pool that does not match jobs to workers that seem to fit: the buying stops, is said, and is tried again."""

import pytest

from actors.policies.provisioning.vain import IN_VAIN
from tests.factory_on_lab import QUEUE, Factory, MakeFactory

pytestmark = pytest.mark.lab


def negotiator_ignores(factory: Factory, slots: str) -> None:
    """From now on it does not see the slots of this ClassAd expression."""
    pool = factory.site.pool
    central = pool.directory / "central" / "condor_config"
    kept = [line for line in central.read_text().splitlines() if not line.startswith("NEGOTIATOR_SLOT_CONSTRAINT")]
    central.write_text("\n".join([*kept, f"NEGOTIATOR_SLOT_CONSTRAINT = !({slots})", ""]))
    pool.tool("condor_reconfig", "-negotiator")


def test_vms_that_join_and_get_none_of_their_jobs_are_bought_once_then_one_by_one_until_the_pool_matches(
    make_factory: MakeFactory,
) -> None:
    factory = make_factory(
        clouds={"private": {"max_vms": 3}, "spot": None},
        queues={QUEUE: {"cascade": [["private"]], "vain_after_s": 12.0}},
    )
    negotiator_ignores(factory, "true")
    factory.submit(3, seconds=1)
    factory.host().start()
    factory.until(lambda: (seen := factory.standing()) and seen.unmet, "it is said that they were bought in vain", 60)
    (told,) = factory.standing().unmet  # type: ignore[union-attr]
    assert told.startswith("bought 3 of private for these 3 jobs; " + IN_VAIN)
    factory.until_no_vm()
    factory.bought(3)
    factory.until(lambda: len(factory.started()) == 4, "one VM is tried again", 60)
    factory.holds(lambda: len(factory.started()) == 4, "one alone", 5)
    negotiator_ignores(factory, "false")
    factory.until_done()
    factory.judge()
