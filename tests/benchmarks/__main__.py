"""Speed beside the raw calls: python -m tests.benchmarks [PART...]: mail reading crowd rounds launch idle hosts celery

Each part prints what it found out on the way; at the end all figures stand in one table, on a terminal and as
Markdown. Exit status 1: a goal was missed. All of it takes some eleven minutes on two cores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from tests.benchmarks import beside_celery, crowd, hosts, idle, launch, mail, reading, rounds
from tests.benchmarks.figures import Figure, show

PARTS: dict[str, Callable[[], list[Figure]]] = {
    "mail": mail.figures,
    "reading": reading.figures,
    "crowd": crowd.figures,
    "rounds": rounds.figures,
    "launch": launch.figures,
    "idle": idle.figures,
    "hosts": hosts.figures,
    "celery": beside_celery.figures,
}


def main(wanted: Sequence[str]) -> int:
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.stderr.write(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}\n")
        return 2
    found: list[Figure] = []
    for name in wanted or PARTS:
        began = time.monotonic()
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        found += PARTS[name]()
        sys.stdout.write(f"  {name} took {time.monotonic() - began:.0f} s\n")
    show(found)
    return 0 if all(one.kept for one in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
