"""python -m deploy.lab.world --port 0 --boot-s 2 --capacity private=2 --capacity spot=4 [--with-stdin]

Prints one line, HOST:PORT, when it listens. Ends on SIGTERM or SIGINT; with --with-stdin also when its input is closed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from deploy.lab.world.model import World
from deploy.lab.world.server import WorldServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.lab.world", description="A simulated pool and clouds.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--boot-s", type=float, default=2.0, help="seconds from launch to the startd's ad")
    parser.add_argument("--capacity", action="append", default=[], metavar="CLOUD=N", help="VMs that a cloud has")
    parser.add_argument("--with-stdin", action="store_true", help="end when the standard input is closed")
    parser.add_argument("--seed", type=int, default=0, help="of its weather")
    parser.add_argument("--dead-shown-s", type=float, default=3600.0, help="how long clouds list what has ended")
    parser.add_argument("--poweroff-s", type=float, default=0.0, help="the dead man's switch of workers; 0: none")
    parser.add_argument("--cycle-s", type=float, default=0.0, help="how often jobs are matched; 0: at every event")
    parser.add_argument("--link", action="append", default=[], metavar="NAME=PATH", help="a socket with weather")
    given = parser.parse_args()
    capacity = {name: int(count) for name, _, count in (text.partition("=") for text in given.capacity)}
    links = {name: Path(path) for name, _, path in (text.partition("=") for text in given.link)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    world = World(boot_s=given.boot_s, capacity=capacity, unclaimed_poweroff_s=given.poweroff_s)
    world.cycle_s = given.cycle_s
    settings = {"links": links, "seed": given.seed, "dead_shown_s": given.dead_shown_s}
    with WorldServer(world, given.port, **settings) as server:
        sys.stdout.write(f"{server.place}\n")
        sys.stdout.flush()
        if given.with_stdin:
            sys.stdin.read()
        else:
            signal.pause()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
