"""A worker node of the lab: what a virtual machine would be, as a condor_master with a startd.

Why: a worker configured by its user-data, and by nothing else, shows that the user-data is right.

The rule it keeps: the node's own files are taken as they are. The lab adds one file, read last, that
says only where things lie on this machine, how many cores the "machine" has, how fast to tell, and
that powering off ends the node and not the computer that it runs on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import daemon_config
from deploy.lab.daemon_config import Pace
from deploy.lab.master import Master
from deploy.lab.user import DOMAIN, LabUser

CONFIG_FOLDER = "etc/condor/config.d"
TOKEN_FOLDER = "etc/condor/tokens.d"
_LAST = "99-lab.conf"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What the "machine" has."""

    cpus: int = 1
    memory_mib: int = 512
    disk_mib: int = 2048


class Node:
    """One worker, its file system below `directory`."""

    def __init__(self, *, prefix: Path, directory: Path, user: LabUser, name: str) -> None:
        self.name = name
        self.directory = directory
        self.user = user
        self.master = Master(prefix=prefix, directory=directory, user=user)
        for folder in ("etc", "etc/condor", CONFIG_FOLDER):
            user.folder(directory / folder)
        user.folder(directory / TOKEN_FOLDER, 0o700)

    @property
    def powered_off(self) -> bool:
        """Whether the guest ended by itself: its power-off script ran, or its master is gone."""
        return (self.directory / "powered-off").exists() or self.master.has_ended()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the guest; `path` as the guest sees it (`/etc/condor/config.d/50-apf.conf`)."""
        self.user.write(self.directory / path.lstrip("/"), text, mode)

    def start(
        self,
        *,
        collector: str,
        hardware: Hardware,
        pace: Pace,
        settings: Mapping[str, str] | None = None,
        kept: bool = True,
    ) -> None:
        """Boot: the guest's configuration, then the lab's. `settings` are read at the very end."""
        power_off = self.user.write(self.directory / "power-off", _POWER_OFF.format(self.directory), 0o755)
        last = (
            daemon_config.places(self.master.prefix, self.directory)
            + daemon_config.network(collector)
            + daemon_config.pace(pace)
            + _machine(self.name, hardware, power_off)
            + _guest_tokens(self.directory)
            + "".join(f"{name} = {value}\n" for name, value in (settings or {}).items())
        )
        self.write(f"{CONFIG_FOLDER}/{_LAST}", last.replace("LOCAL_CONFIG_DIR =\n", ""))
        self.master.start(f"LOCAL_CONFIG_DIR = {self.directory}/{CONFIG_FOLDER}\n", kept=kept)

    def kill(self) -> None:
        """The machine's power is cut."""
        self.master.kill()


def _machine(name: str, hardware: Hardware, power_off: Path) -> str:
    return f"""
DAEMON_LIST = MASTER, STARTD
NETWORK_HOSTNAME = {name}.{DOMAIN}
NUM_CPUS = {hardware.cpus}
MEMORY = {hardware.memory_mib}
DISK = {hardware.disk_mib * 1024}
DEFAULT_MASTER_SHUTDOWN_SCRIPT = {power_off}
STARTD_HAS_BAD_UTMP = true
CONSOLE_DEVICES =
BASE_CGROUP =
CREATE_CGROUP_WITHOUT_ROOT = false
SEC_USE_FAMILY_SESSION = false
"""


def _guest_tokens(directory: Path) -> str:
    return f"""
SEC_TOKEN_SYSTEM_DIRECTORY = {directory}/{TOKEN_FOLDER}
SEC_TOKEN_DIRECTORY = {directory}/{TOKEN_FOLDER}
SEC_PASSWORD_DIRECTORY = {directory}/etc/condor/passwords.d
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {directory}/etc/condor/passwords.d/POOL
"""


_POWER_OFF = """#!/bin/sh
touch {}/powered-off
"""
