"""The worker's token, minted by a command of the operator's.

Why a command: whoever has the pool's signing key can be anybody in the pool, so the key is not on the factory's hosts.
The command runs where the key is (by ssh, a web service, sudo) and prints an IDTOKEN.

The rules it keeps: the command has a time limit and ends with all that it started. What it prints is never part of a
message or a log. It inherits what a program needs of our environment, and no secret (`actors.config.environment`). A
token that may do more than advertise a worker is refused: it goes to machines where users' jobs run. (An IDTOKEN
without a scope may do all that its identity may.) One that is minted for a launch must be of that launch's identity:
its workers would join and be taken for liars.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.config.environment import inherited
from actors.config.secrets import Hidden
from actors.fleet.worker_identity import LAUNCH, may_advertise

MAY = frozenset({"READ", "ADVERTISE_STARTD", "ADVERTISE_MASTER"})
LEAST_S = 300.0  # a VM boots and joins in this time; a worker uses its token longer
_NEEDED = "ADVERTISE_STARTD"
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_SAID = 300


class TokenFailed(Exception):
    """There is no token that can be given to a worker; the text says why, and never holds the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """For which launch a token is minted, and the globs of its identity. `launch` "": for any worker."""

    launch: str
    identities: tuple[str, ...]


NOBODY = For(launch="", identities=())


def mint(command: Sequence[str], timeout_s: float, now: float, whose: For = NOBODY) -> Hidden:
    """Run the command and check what it prints. `now` is Unix time in seconds, to hold the token's end against."""
    if not command:
        raise TokenFailed("worker_token_command is not set: it has to print an IDTOKEN that may only advertise")
    return checked(_output(command, timeout_s, {"APF_LAUNCH": whose.launch} if whose.launch else {}), now, whose)


def checked(text: str, now: float, whose: For = NOBODY) -> Hidden:
    """The token in a command's output. TokenFailed: it is none, is too old, may do too much or too little, or is of
    another than `whose`.
    """
    token = Hidden(text.strip())
    if not _JWT.fullmatch(token):
        raise TokenFailed(f"worker_token_command printed {len(text)} characters that are no token (three parts, dots)")
    claims = _claims(token)
    _check_end(claims.get("exp"), now)
    _check_scope(str(claims.get("scope", "")))
    if whose.launch:
        _check_identity(str(claims.get("sub", "")), whose)
    return token


def _check_end(ends: Any, now: float) -> None:
    """None: it has no end, which HTCondor takes."""
    if ends is None:
        return
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        raise TokenFailed(f"the end of the worker's token is {type(ends).__name__}; allowed: Unix seconds as a number")
    if ends <= now:
        raise TokenFailed(f"the worker's token ended {now - ends:.0f} s ago; mint one that lives as long as a worker")
    if not ends >= now + LEAST_S:
        raise TokenFailed(
            f"the worker's token ends in {ends - now:.0f} s; allowed: {LEAST_S:.0f} s or more, as a VM has to boot with"
            " it. Mint one that lives as long as a worker"
        )


def _check_scope(scope: str) -> None:
    may = {word.removeprefix("condor:/") for word in scope.split()}
    if not may:
        raise TokenFailed(f"the worker's token is not limited; mint it with -authz {_NEEDED} -authz ADVERTISE_MASTER")
    if extra := sorted(may - MAY):
        raise TokenFailed(f"the worker's token may do {', '.join(extra)}; allowed are {', '.join(sorted(MAY))}")
    if _NEEDED not in may:
        raise TokenFailed(f"the worker's token may not do {_NEEDED}; mint it with -authz {_NEEDED}")


def _check_identity(said: str, whose: For) -> None:
    if not may_advertise(said, whose.identities, whose.launch):
        allowed = ", ".join(one.replace(LAUNCH, whose.launch) for one in whose.identities)
        raise TokenFailed(
            f"the worker's token is of {said[:_MOST_SAID] or 'nobody'}, which worker_identities do not allow for this"
            f" launch; allowed: {allowed}. The command finds the launch in its environment as APF_LAUNCH"
        )


def _claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (ValueError, binascii.Error):
        claims = None
    if not isinstance(claims, dict):
        raise TokenFailed("worker_token_command printed three parts with dots, but the middle one is no JSON object")
    return claims


def _output(command: Sequence[str], timeout_s: float, told: Mapping[str, str]) -> str:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited(condor=True), **told},
            start_new_session=True,  # so that all that it starts can be ended with it
        )
    except OSError as error:
        raise TokenFailed(f"worker_token_command {command[0]!r} cannot be run: {error}") from error
    with child:
        try:
            said, complained = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TokenFailed(f"worker_token_command did not end within {timeout_s:g} s and was killed") from error
        finally:
            _kill(child.pid)
    if child.returncode != 0:
        why = complained.decode(errors="replace").strip()[-_MOST_SAID:]
        raise TokenFailed(f"worker_token_command ended with status {child.returncode}: {why or 'it said nothing'}")
    return said.decode(errors="replace")


def _kill(session: int) -> None:
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return
