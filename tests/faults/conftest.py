from tests.condor_pool import condor
from tests.factory_on_lab import make_factory

__all__ = ["condor", "make_factory"]
