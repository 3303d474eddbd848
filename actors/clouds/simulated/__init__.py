"""Clouds of a simulated world (deploy/lab/world), and the wire to it."""
