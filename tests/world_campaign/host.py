"""A campaign's host: python -m tests.world_campaign.host CONFIG NAME [GUARD]. GUARD is switched off."""

import sys

from tests import factory_host
from tests.world_campaign.guards_off import OFF

if __name__ == "__main__":
    config, name, off = (*sys.argv[1:], "")[:3]
    if off:
        OFF[off]()
    factory_host.main(config, name)
