#!/usr/bin/env python3
"""A script for `kind = "script"`: each of its VMs is a condor_startd on the machine where the factory's host runs.

    [clouds.here]
    kind = "script"
    command = ["/opt/apf/bin/python", "/usr/local/bin/local_startd.py", "/var/lib/apf/here", "8", "1"]

Arguments: a folder for its state, how many startds may run at once, and how many cores each has; then the verb. It runs
as whoever the factory's host runs as; the cloud's key `environment` says what else there is to say: CONDOR_SBIN, where
condor_master lies, if it is not on the PATH; CONDOR_MORE, lines of configuration that are read last; RUN_AS = UID.GID,
as whom the startds run if root runs this. What the user-data writes below /etc/condor is their configuration; what only
a machine of its own could do (a firewall, powering off) is left out.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

NO_CAPACITY, REFUSED, TOKEN_USED, SPENT = 10, 13, 14, 15
SHOWN_S = 3_600.0  # ended ones are listed for so long
DIES_S = 15.0  # after that a startd that was told to end is killed
FOLDERS = ("log", "run", "lock", "spool", "execute", "etc/condor/config.d")
Row = dict[str, Any]
CONFIG = """\
LOCAL_DIR = {here}
LOG = $(LOCAL_DIR)/log
RUN = $(LOCAL_DIR)/run
LOCK = $(LOCAL_DIR)/lock
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
SEC_TOKEN_DIRECTORY = $(LOCAL_DIR)/etc/condor/tokens.d
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/etc/condor/tokens.d
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/etc/condor/passwords.d
DAEMON_LIST = MASTER, STARTD
USE_SHARED_PORT = false
NUM_CPUS = {cores}
NETWORK_HOSTNAME = {id}
CloudInstanceID = "{id}"
STARTD_ATTRS = $(STARTD_ATTRS) CloudInstanceID
MASTER_ATTRS = $(MASTER_ATTRS) CloudInstanceID
{more}
"""


class Place:
    def __init__(self, folder: str, most: str, cores: str) -> None:
        self.folder, self.most, self.cores = Path(folder), int(most), int(cores)
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self, order: Row) -> list[Row]:
        there = [row for row in self.rows() if row["order"]["token"] == order["token"]]
        if any(row["order"] != order for row in there):
            fail(TOKEN_USED, "this token was used for another order")
        if there:
            alive = [row for row in there if state(row) != "terminated"]
            return [shown(row) for row in alive] or fail(SPENT, "what this token started has ended")
        room = self.most - sum(state(row) != "terminated" for row in self.rows())
        if room <= 0:
            fail(NO_CAPACITY, f"{self.most} startds run here, and no more are allowed")
        return [shown(self.boot(order, index)) for index in range(min(room, order["count"]))]

    def listing(self, asked: Row) -> list[Row]:
        ours = [row for row in self.rows() if all(row["order"][name] == asked[name] for name in ("factory", "cloud"))]
        return [shown(row) for row in ours if state(row) != "terminated" or time.time() - row["born"] < SHOWN_S]

    def end(self, asked: Row) -> list[str]:
        for row in self.rows():
            if row["id"] in asked["ids"] and state(row) != "terminated":
                row["ended"] = row.get("ended") or time.time()
                self.write(row)
                quick = time.time() - row["ended"] < DIES_S
                with suppress(ProcessLookupError):
                    os.kill(row["pid"], signal.SIGQUIT if quick else signal.SIGKILL)  # its startd ends with it
        return list(asked["ids"])

    def boot(self, order: Row, index: int) -> Row:
        id_ = f"here-{order['token'][:16]}-{index}"
        here = self.folder / id_
        for name in FOLDERS:
            (here / name).mkdir(parents=True, exist_ok=True)
        more = os.environ.get("CONDOR_MORE", "")
        configure(here, order["user_data"], CONFIG.format(here=here, id=id_, cores=self.cores, more=more))
        give(here)
        row = {"id": id_, "index": index, "born": time.time(), "order": order, "pid": master(here)}
        self.write(row)
        return row

    def rows(self) -> list[Row]:
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("*/row.json"))]

    def write(self, row: Row) -> None:
        new = self.folder / row["id"] / "row.new"
        new.touch(0o600)  # the worker's token stands in it
        new.write_text(json.dumps(row))
        new.rename(new.with_name("row.json"))


def configure(here: Path, user_data: str, last: str) -> None:
    """The files of the user-data that are HTCondor's, and after them ours."""
    document = yaml.safe_load(user_data)
    files = document.get("write_files", []) if isinstance(document, dict) else []
    for one in files:
        if re.match(r"/etc/condor/(config|tokens)\.d/[\w.-]+$", one["path"]):
            file = here / one["path"].lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(0o600)
            file.write_text(one["content"])
    (here / "etc/condor/config.d/99-here.conf").write_text(last)
    (here / "condor_config").write_text(f"LOCAL_CONFIG_DIR = {here}/etc/condor/config.d\n")


def whose() -> dict[str, Any]:
    """As whom the daemons run where root runs this: HTCondor wants no root without an account of its own."""
    if os.geteuid() != 0 or "RUN_AS" not in os.environ:
        return {}
    user, _, group = os.environ["RUN_AS"].partition(".")
    return {"user": int(user), "group": int(group), "extra_groups": []}


def give(here: Path) -> None:
    """Their files are theirs; the row, with the worker's token, stays ours."""
    if to := whose():
        for path in (here, *here.rglob("*")):
            os.chown(path, to["user"], to["group"])


def master(here: Path) -> int:
    """The process id of a condor_master that outlives this script."""
    program = Path(os.environ.get("CONDOR_SBIN", "")) / "condor_master"
    environment = {**os.environ, "CONDOR_CONFIG": str(here / "condor_config")}
    with (here / "log/output").open("ab") as output:
        child = subprocess.Popen(
            [str(program), "-f"], env=environment, cwd=here, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, **whose(),
        )  # fmt: skip
    return child.pid


def state(row: Row) -> str:
    try:
        stat = Path(f"/proc/{row['pid']}/stat").read_text()
        runs = "(condor_master)" in stat and stat.rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        runs = False
    if not runs and time.time() - row["born"] > 1.0:  # a moment later it has its name
        return "terminated"
    return "ending" if row.get("ended") else "running"


def shown(row: Row) -> Row:
    told = {name: row["order"][name] for name in ("intent", "queue", "token", "pool")}
    return {"id": row["id"], "index": row["index"], "launched_at": row["born"], "state": state(row), **told}


def fail(code: int, why: str) -> Any:
    sys.stderr.write(f"{why}\n")
    sys.exit(code)


def main(folder: str, most: str, cores: str, verb: str) -> None:
    asked = json.load(sys.stdin)
    place = Place(folder, most, cores)
    with (place.folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = {"start": place.start, "list": place.listing, "end": place.end}[verb](asked)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        fail(REFUSED, "usage: local_startd.py FOLDER MOST CORES start|list|end")
    main(*sys.argv[1:])
