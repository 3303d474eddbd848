"""Tokens of the lab's pool: what each party may do is written into its token.

The rule it keeps: the signing key never leaves the pool's folder. The factory asks a *command* for a
worker's token, as it does at a real site, and gets one that may only look and advertise.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.pool.daemon_config import WORKER
from deploy.lab.pool.master import Master
from deploy.lab.pool.user import LabUser

WORKER_MAY = ("READ", "ADVERTISE_STARTD", "ADVERTISE_MASTER")
FACTORY_MAY = ("READ", "ADMINISTRATOR")
SUBMITTER_MAY = ("READ", "WRITE")


def make_signing_key(folder: Path, user: LabUser) -> None:
    """The pool's key, in `folder`/keys/POOL, readable by the daemons' user only."""
    user.folder(folder, 0o700)
    user.folder(folder / "keys", 0o700)
    user.folder(folder / "tokens", 0o700)
    user.write(folder / "keys/POOL", secrets.token_hex(32), 0o600)


def mint(master: Master, identity: str, may: Sequence[str] = ()) -> str:
    """A token for `identity`, limited to the authorizations named (none: all that it has)."""
    return master.tool(*_create(identity, may)).strip()


def worker_token_command(master: Master) -> list[str]:
    """A command line that prints a worker's token; it can be run by root or by the lab's user."""
    setting = f"CONDOR_CONFIG={master.config_file}"
    program, *rest = _create(WORKER, WORKER_MAY)
    command = ["env", setting, str(master.prefix / "usr/bin" / program), *rest]
    if master.user.dropped:
        ids = [f"--reuid={master.user.uid}", f"--regid={master.user.gid}", "--clear-groups"]
        return ["setpriv", *ids, *command]
    return command


def token_directory(master: Master, folder: Path, identity: str, may: Sequence[str] = ()) -> Path:
    """A client's token folder with one token in it, owned by whoever runs this: HTCondor uses no one else's."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    token = folder / identity.partition("@")[0]
    token.touch(0o600)
    token.write_text(mint(master, identity, may) + "\n")
    return folder


def _create(identity: str, may: Sequence[str]) -> list[str]:
    limits = [word for permission in may for word in ("-authz", permission)]
    return ["condor_token_create", "-identity", identity, *limits]
