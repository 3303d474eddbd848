"""A site to play with:  python -m deploy.lab up | status | down

`up` stays in the foreground until Ctrl-C or `down`, and prints what to paste into another shell to look around with
HTCondor's tools and any EC2 client. `status` shows workers, jobs and instances. One site for each folder it is
called in: what it needs to know is kept in `.lab/site.json`.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.lab import processes
from deploy.lab.pool.condor import CannotHave
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.site import Site

_STATE = Path(".lab/site.json")
_QUESTIONS = (("condor_status",), ("condor_q", "-allusers", "-global"))


def up(pace: str, schedds: int) -> int:
    """Run a site until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        with Site(pace, schedds=schedds) as site:
            _STATE.parent.mkdir(exist_ok=True)
            _STATE.write_text(json.dumps({"pid": os.getpid(), "env": dict(site.env())}))
            _say(*_described(site), "The site is up. Ctrl-C ends it.")
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
    except CannotHave as reason:
        _say(f"Real HTCondor cannot be had here: {reason}")
        return 1
    finally:
        _STATE.unlink(missing_ok=True)
    return 0


def _described(site: Site) -> list[str]:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in site.env().items()]
    facts = {
        "collector": site.pool.collector,
        "schedds": ", ".join(site.pool.schedds),
        "ec2 endpoint": site.cloud.endpoint,
        "factory's token directory": site.tokens(),
        "worker token command": shlex.join(site.pool.worker_token_command),
    }
    return [*exports, *(f"# {name}: {value}" for name, value in facts.items())]


def down() -> int:
    """End the site of this folder."""
    if (state := _state()) is None:
        return 1
    processes.send(state["pid"], signal.SIGTERM)
    return 0


def status() -> int:
    """Show workers, jobs and schedds as HTCondor's own tools see them."""
    if (state := _state()) is None:
        return 1
    for question in _QUESTIONS:
        _say(f"$ {shlex.join(question)}")
        subprocess.run(question, env=state["env"], check=False, timeout=60)
    return 0


def _state() -> dict[str, Any] | None:
    if _STATE.exists():
        state: dict[str, Any] = json.loads(_STATE.read_text())
        if processes.is_running(state["pid"]):
            return state
    _say(f"no site is up in {Path.cwd()}")
    return None


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.lab", description="A whole HTCondor site to play with.")
    parser.add_argument("what", choices=("up", "status", "down"))
    parser.add_argument("--pace", choices=[pace.value for pace in Pace], default=Pace.QUICK.value)
    parser.add_argument("--schedds", type=int, default=1)
    asked = parser.parse_args()
    match asked.what:
        case "up":
            return up(asked.pace, asked.schedds)
        case "down":
            return down()
        case _:
            return status()


if __name__ == "__main__":
    sys.exit(main())
