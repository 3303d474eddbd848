"""A worker node of the lab: what a virtual machine would be, as a condor_master with a startd.

Why: a worker configured by its user-data, and by nothing else, shows that the user-data is right.

The rule it keeps: the node's own files are taken as they are, and have to say by themselves which collector
to join, with which token. The lab adds a file read first (a host name, which the node's may change), and one
read last that says only where things lie on this machine, how many cores the "machine" has, how fast to tell,
and that powering off ends the node and not the computer that it runs on.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import processes
from deploy.lab.pool import daemon_config
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.master import Master
from deploy.lab.pool.user import DOMAIN, LabUser

CONFIG_FOLDER = "etc/condor/config.d"
TOKEN_FOLDER = "etc/condor/tokens.d"
POWER_OFF_FOLDER = "lab-commands"
_POWER_OFF_COMMANDS = ("poweroff", "shutdown", "halt", "reboot", "systemctl")
_FIRST, _LAST = "00-lab.conf", "99-lab.conf"


class NoStartd(Exception):
    """The node runs no startd now; the text says which node, and where its log is."""


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
        for command in _POWER_OFF_COMMANDS:
            user.write(directory / POWER_OFF_FOLDER / command, _POWER_OFF.format(directory), 0o755)

    @property
    def powered_off(self) -> bool:
        """Whether the guest powered itself off. A guest whose master is gone still runs, and costs."""
        return (self.directory / "powered-off").exists()

    def environment(self) -> Mapping[str, str]:
        """What the guest's programs run with: its power-off commands stand before the machine's own."""
        plain = self.master.environment()
        return {**plain, "PATH": f"{self.directory / POWER_OFF_FOLDER}:{plain['PATH']}"}

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the guest; `path` as the guest sees it (`/etc/condor/config.d/50-apf.conf`)."""
        target = self.directory / path.lstrip("/")
        for folder in reversed(target.relative_to(self.directory).parents[:-1]):
            if not (self.directory / folder).exists():
                self.user.folder(self.directory / folder)
        self.user.write(target, text, mode)

    def start(
        self,
        *,
        hardware: Hardware,
        pace: Pace,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Boot: the guest's configuration, then the lab's. `settings` are read at the very end."""
        first = f"NETWORK_HOSTNAME = {self.name}.{DOMAIN}\nDEFAULT_DOMAIN_NAME = {DOMAIN}\n"
        last = (
            daemon_config.places(self.master.prefix, self.directory).replace("LOCAL_CONFIG_DIR =\n", "")
            + daemon_config.interface()
            + daemon_config.pace(pace)
            + _machine(hardware, self.directory / POWER_OFF_FOLDER / "poweroff")
            + _guest_tokens(self.directory)
            + "".join(f"{name} = {value}\n" for name, value in (settings or {}).items())
        )
        self.write(f"{CONFIG_FOLDER}/{_FIRST}", first)
        self.write(f"{CONFIG_FOLDER}/{_LAST}", last)
        self.master.start(f"LOCAL_CONFIG_DIR = {self.directory}/{CONFIG_FOLDER}\n", self.environment())

    def kill(self) -> None:
        """The machine's power is cut."""
        self.master.kill()

    def freeze(self) -> None:
        """The startd stops answering (SIGSTOP); its jobs go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def restart_startd(self) -> None:
        """The startd crashes (SIGKILL) and its master starts it again. What ran there is lost."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.master.pid("condor_startd")
        if pid is None:
            raise NoStartd(f"no condor_startd runs on {self.name}; its log is in {self.directory}/log")
        processes.send(pid, number)


def _machine(hardware: Hardware, power_off: Path) -> str:
    return f"""
NUM_CPUS = {hardware.cpus}
MEMORY = {hardware.memory_mib}
DISK = {hardware.disk_mib * 1024}
if defined DEFAULT_MASTER_SHUTDOWN_SCRIPT
  DEFAULT_MASTER_SHUTDOWN_SCRIPT = {power_off}
endif
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
case "${{0##*/}} $*" in
  poweroff*|halt*|reboot*|shutdown*now*|shutdown*+0*|"systemctl poweroff"*|"systemctl halt"*) touch {}/powered-off ;;
esac
"""
