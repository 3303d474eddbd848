"""Secrets are read by reference, and are never part of what is said when they cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.secrets import NoSecret, secret


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  s3cret\n")
    assert secret("env:KEY", {"KEY": "s3cret\n"}) == "s3cret"
    assert secret(f"file:{tmp_path / 'key'}") == "s3cret"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(NoSecret, match="variable KEY is not set"):
        secret("env:KEY", {})
    with pytest.raises(NoSecret, match="missing cannot be read: No such file"):
        secret(f"file:{tmp_path / 'missing'}")
    with pytest.raises(NoSecret, match="empty is empty"):
        secret(f"file:{tmp_path / 'empty'}")
    with pytest.raises(NoSecret, match="binary cannot be read: it is not text"):
        secret(f"file:{tmp_path / 'binary'}")


def test_what_is_no_reference_is_not_repeated() -> None:
    with pytest.raises(NoSecret) as wrong:
        secret("hunter2")
    assert "hunter2" not in str(wrong.value)
