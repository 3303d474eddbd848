"""Fenced rows, documents, streams and pots: the truth of the factory."""
