"""Tokens in a file: shown once, kept as hashes, readable by nobody else."""

import stat
from pathlib import Path

import pytest

from actors.web.tokens import BadTokens, Right, TokenFile


def test_a_token_is_found_by_itself_and_does_not_stand_in_the_file(tokens: TokenFile) -> None:
    secret = tokens.add("ada", [Right.READ])
    found = tokens.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("ada", {Right.READ})
    assert secret not in tokens.path.read_text()
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


def test_what_another_process_wrote_is_seen(tokens: TokenFile) -> None:
    assert tokens.find("apf_x") is None
    secret = TokenFile(tokens.path).add("ada", [Right.READ])
    assert tokens.find(secret) is not None
    TokenFile(tokens.path).revoke("ada")
    assert tokens.find(secret) is None


def test_a_name_twice_one_that_is_not_there_and_one_that_is_none_are_refused(tokens: TokenFile) -> None:
    tokens.add("ada", [Right.READ])
    with pytest.raises(BadTokens, match="already"):
        tokens.add("ada", [Right.READ])
    with pytest.raises(BadTokens, match="there are: ada"):
        tokens.revoke("bob")
    with pytest.raises(BadTokens, match="is no name"):
        tokens.add("a b\n", [Right.READ])


def test_a_file_that_others_may_read_is_not_used(tokens: TokenFile) -> None:
    tokens.add("ada", [Right.READ])
    tokens.path.chmod(0o644)
    with pytest.raises(BadTokens, match="chmod 600"):
        tokens.find("apf_x")


@pytest.mark.parametrize("line", ["ada read", "ada root abc", "ada read abc def", "\x00"])
def test_a_line_that_is_none_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"\n{line}\n")
    path.chmod(0o600)
    with pytest.raises(BadTokens, match="line 2"):
        TokenFile(path).tokens()
