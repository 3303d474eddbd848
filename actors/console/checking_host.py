"""`apf check --live`, of this host: what the configuration names is there, can be used, and is nobody else's.

Each reads what a factory reads; only `worker_token_command` is run, once, as before a launch.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from actors.clouds.worker import user_data
from actors.clouds.worker.token import For, TokenFailed, mint
from actors.config.findings import Finding
from actors.config.load import missing_secrets, secrets_of
from actors.config.schema import Config, HtcondorPool
from actors.fleet.worker_identity import one_a_launch
from actors.runtime.adapters import TOKEN_LIMIT_S

OTHERS = stat.S_IROTH | stat.S_IWOTH
GROUP_WRITES = stat.S_IWGRP


def of_this_host(config: Config) -> Iterator[Finding]:
    """All of it, each finding by itself."""
    for look in LOOKS:
        yield from look(config)


def _secrets(config: Config) -> Iterable[Finding]:
    missing = missing_secrets(config)
    if not missing:
        return [Finding(what="secrets", ok=True, text="all references lead somewhere")]
    return [Finding(what="secrets", ok=False, text=line) for line in missing]


def _readable_by_others(config: Config) -> Iterator[Finding]:
    files = {Path(one.removeprefix("file:")).expanduser() for one in secrets_of(config) if one.startswith("file:")}
    for pool in _htcondor(config):
        if pool.token_directory:
            files |= set(_tokens(Path(pool.token_directory).expanduser()))
    for file in sorted(files):
        if said := too_open(file):
            yield Finding(what="secrets", ok=False, text=said)


def too_open(file: Path) -> str:
    """What is wrong with who may read or change it; empty: nothing, or it is not there (which is said elsewhere)."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return ""
    if not mode & (OTHERS | GROUP_WRITES):
        return ""
    what = "directory" if stat.S_ISDIR(mode) else "file"
    return f"the {what} {file} has mode {stat.S_IMODE(mode):04o}, others can use it; chmod go= {file}"


def _token_directories(config: Config) -> Iterator[Finding]:
    for where in sorted({pool.token_directory for pool in _htcondor(config) if pool.token_directory}):
        yield _token_directory(Path(where).expanduser())


def _token_directory(where: Path) -> Finding:
    what = "token directory"
    try:
        found = _listed(where)
    except OSError as wrong:
        return Finding(what=what, ok=False, text=f"{where} cannot be read: {wrong.strerror}; it holds IDTOKENS (0700)")
    if not found:
        return Finding(what=what, ok=False, text=f"{where} has no token in it; write an IDTOKEN of the factory there")
    if said := too_open(where):
        return Finding(what=what, ok=False, text=said)
    if closed := [file.name for file in found if not os.access(file, os.R_OK)]:
        return Finding(what=what, ok=False, text=f"{where}: {', '.join(closed)} cannot be read by this user")
    return Finding(what=what, ok=True, text=f"{where}: {len(found)} token{'' if len(found) == 1 else 's'}")


def _tokens(where: Path) -> list[Path]:
    try:
        return _listed(where)
    except OSError:
        return []


def _listed(where: Path) -> list[Path]:
    return sorted(file for file in where.iterdir() if file.is_file() and not file.name.startswith("."))


TRIED = "0" * 12  # a launch that is none
OWN = "each launch has an identity of its own"
SHARED = (
    "all workers share it: who takes it from one can advertise in another's place. No job dies of that (schedds have a"
    " veto before every end), but VMs may idle until a person looks. Each launch has one of its own with"
    ' worker_identities = ["worker-{launch}@..."] and a command that heeds APF_LAUNCH'
)


def _worker_tokens(config: Config) -> Iterator[Finding]:
    """Minted as for a launch."""
    for command, identities in dict.fromkeys(
        (pool.worker_token_command, pool.worker_identities) for pool in _htcondor(config)
    ):
        alone = one_a_launch(identities)
        try:
            mint(command, TOKEN_LIMIT_S, time.time(), For(launch=TRIED if alone else "", identities=identities))
        except TokenFailed as wrong:
            yield Finding(what="worker token", ok=False, text=str(wrong))
        else:
            yield Finding(what="worker token", ok=True, text=f"{command[0]} prints one; {OWN if alone else SHARED}")


def _recipes(config: Config) -> Iterator[Finding]:
    """The user-data of each queue on each of its clouds, with a word in the token's place."""
    wrong: dict[str, None] = {}
    for queue, settings in config.queues.items():
        if not isinstance(config.pools[settings.pool], HtcondorPool):
            continue
        for cloud in dict.fromkeys(one for tier in settings.cascade for one in tier):
            wrong |= dict.fromkeys(_recipe(config, cloud, queue))
    for said in wrong:
        yield Finding(what="user-data", ok=False, text=said)


def _recipe(config: Config, cloud: str, queue: str) -> Iterator[str]:
    own = config.clouds[cloud].user_data
    try:
        text = Path(own).expanduser().read_text(encoding="utf-8") if own else user_data.template()
        user_data.render(text, user_data.worker(config, cloud, queue, "a.token.x"))
    except OSError as away:
        yield f"clouds.{cloud}: {own} cannot be read: {away.strerror}"
    except (user_data.TemplateMistake, UnicodeDecodeError) as mistake:
        yield f"clouds.{cloud}: {own or 'the template'}: {mistake}"


def _directory(config: Config) -> Iterator[Finding]:
    """Where the host keeps what is its own. It is made at the first start, so the nearest one above must let it."""
    where = Path(config.factory.directory).expanduser()
    place = next((one for one in (where, *where.parents) if one.exists()), where)
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        said = f"{where}: nothing can be written in {place}; make it this user's, or set [factory] directory"
        yield Finding(what="directory", ok=False, text=said)


def _htcondor(config: Config) -> tuple[HtcondorPool, ...]:
    """Those whose jobs a queue takes."""
    needed = {queue.pool for queue in config.queues.values()}
    return tuple(pool for name, pool in config.pools.items() if isinstance(pool, HtcondorPool) and name in needed)


LOOKS: tuple[Callable[[Config], Iterable[Finding]], ...] = (
    _secrets, _readable_by_others, _token_directories, _worker_tokens, _recipes, _directory,
)  # fmt: skip
