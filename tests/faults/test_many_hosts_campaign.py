"""Short random stories; `make faults SEED=n` plays longer ones."""

import pytest

from tests.campaign import Campaign
from tests.factory_in_a_world import MakeHosts


@pytest.mark.parametrize("seed", [3])
def test_a_random_story_of_faults_breaks_no_promise(make_hosts: MakeHosts, seed: int) -> None:
    Campaign(make_hosts(), seed, print).play(10)
