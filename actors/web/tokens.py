"""Bearer tokens in a file: a name, what it may, and the SHA-256 of the token, which is shown once, when it is made.

A token has 256 random bits, so a plain hash cannot be turned back; the file is its owner's alone (mode 0600). One line
each: `NAME SCOPE[,SCOPE] HASH`. It is read again when it changes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from actors.config.outside_text import visible

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


class Right(StrEnum):
    """`read`: all that is shown. `wish`: drain, hold, kill and the other wishes."""

    READ = "read"
    WISH = "wish"


class BadTokens(ValueError):
    """The file cannot be used: the message says which line, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    name: str
    scopes: frozenset[Right]
    digest: str


class TokenFile:
    """`path` need not be there: then nobody has a token."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._known: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """As the file says now. Raises BadTokens."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        if stat.st_mode & 0o077:
            raise BadTokens(f"{self.path}: others may read it (mode {stat.st_mode & 0o777:o}): chmod 600 {self.path}")
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            lines = enumerate(self.path.read_text("utf-8").splitlines(), 1)
            self._known = tuple(_token(self.path, at, line) for at, line in lines if line.strip())
            self._stamp = stamp
        return self._known

    def find(self, secret: str) -> Token | None:
        """Whose it is. All are compared, so that the time taken says nothing. Raises BadTokens."""
        digest = _digest(secret)
        return next((one for one in [one for one in self.tokens() if hmac.compare_digest(one.digest, digest)]), None)

    def add(self, name: str, scopes: Iterable[Right]) -> str:
        """A new token, which is shown only now. Raises BadTokens."""
        known = self.tokens()
        if not _NAME.fullmatch(name):
            raise BadTokens(f"{visible(name)!r} is no name: 1 to 64 letters, digits, or any of _ . @ -")
        if any(one.name == name for one in known):
            raise BadTokens(f"there is a token {name!r} already: revoke it first, or take another name")
        secret = f"apf_{secrets.token_urlsafe(32)}"
        self._write((*known, Token(name=name, scopes=frozenset(scopes), digest=_digest(secret))))
        return secret

    def revoke(self, name: str) -> None:
        """Raises BadTokens where there is none."""
        known = self.tokens()
        left = tuple(one for one in known if one.name != name)
        if left == known:
            names = ", ".join(one.name for one in known) or "none"
            raise BadTokens(f"there is no token {visible(name)!r}; there are: {names}")
        self._write(left)

    def _write(self, tokens: Iterable[Token]) -> None:
        """All or nothing: a reader sees the file before or after."""
        text = "".join(f"{one.name} {','.join(sorted(one.scopes))} {one.digest}\n" for one in tokens)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".tokens-")  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _token(path: Path, at: int, line: str) -> Token:
    words = line.split()
    try:
        name, scopes, digest = words
        return Token(name=name, scopes=frozenset(map(Right, scopes.split(","))), digest=digest)
    except ValueError:
        allowed = "NAME SCOPE[,SCOPE] HASH, with the scopes " + " and ".join(Right)
        raise BadTokens(f"{path}, line {at}: not {allowed}; `apf token CONFIG add NAME` writes such lines") from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
