"""Rows as types: one file a kind of row. Only here is known how they lie in Redis."""
