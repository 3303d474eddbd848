"""Pilots as a cloud: jobs in a schedd that run where its pool, or a grid site, has room for them."""
