from tests.condor_pool import condor, plain_node
from tests.factory_on_lab import make_factory

__all__ = ["condor", "make_factory", "plain_node"]
