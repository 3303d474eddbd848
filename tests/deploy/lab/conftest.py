from tests.condor_pool import condor, fresh_pool, fresh_site, lab_pool, lab_site, plain_node

__all__ = ["condor", "fresh_pool", "fresh_site", "lab_pool", "lab_site", "plain_node"]
