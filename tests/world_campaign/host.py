"""A campaign's host, run by the forge: main(CONFIG, NAME, GUARD). GUARD is switched off; "": none is."""

from tests import factory_host
from tests.world_campaign.guards_off import OFF


def main(config: str, name: str, off: str) -> None:
    if off:
        OFF[off]()
    factory_host.main(config, name)
