from tests.condor_pool import condor, plain_node
from tests.factory_in_a_world import make_hosts
from tests.factory_on_lab import make_factory

__all__ = ["condor", "make_factory", "make_hosts", "plain_node"]
