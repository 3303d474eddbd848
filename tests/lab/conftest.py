from tests.condor_pool import condor, fresh_pool, lab_pool, plain_node

__all__ = ["condor", "fresh_pool", "lab_pool", "plain_node"]
