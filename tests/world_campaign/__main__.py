"""make campaign VMS=10000 SEED=n: faults of every kind on three hosts, one Redis and a world. Exit status 1 if broken.

python -m tests.world_campaign --vms 200 --seed 1 [--seeds 1,2,3] [--faults FILE] [--readme] [--out DIRECTORY]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from tests.world_campaign import report
from tests.world_campaign.faults import read
from tests.world_campaign.run import Settings, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world_campaign")
    parser.add_argument("--vms", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--seeds", default="", help="several, one after the other: 1,2,3")
    parser.add_argument("--count", type=int, default=0, help="faults; 0: by the number of VMs")
    parser.add_argument("--over-s", type=float, default=0.0, help="in which the faults happen; 0: by the number of VMs")
    parser.add_argument("--faults", type=Path, help="play this list instead of the seed's")
    parser.add_argument("--off", default="", help="a guard that is switched off")
    parser.add_argument("--readme", action="store_true", help="write the report into deploy/docs")
    parser.add_argument("--no-shrink", action="store_true", help="leave a failing list as long as it is")
    parser.add_argument("--out", type=Path, default=Path(".campaign"), help="where transcripts are kept")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",") if seed] or [given.seed]
    rows: list[report.Row] = []
    for seed in seeds:
        settings = Settings(
            vms=given.vms,
            seed=seed,
            count=given.count,
            over_s=given.over_s,
            faults=read(given.faults.read_text()) if given.faults else (),
            off=given.off,
            out=given.out,
        )
        began = time.monotonic()
        played, verdict, guards = run(settings)
        rows.append((seed, given.vms, played, verdict, guards, time.monotonic() - began))
        if not verdict.kept and not given.no_shrink:
            from tests.world_campaign.shrink import shrink

            shrink(settings, played.faults)
    if given.readme:
        from tests.readme import write

        write("campaign", report.markdown(rows))
    return 0 if all(row[3].kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
