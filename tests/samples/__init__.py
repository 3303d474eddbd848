"""Rows and mail as each version of this project wrote them; see `test_samples` in tests/deploy."""
