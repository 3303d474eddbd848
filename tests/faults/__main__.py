"""make faults SEED=n: a random story of many hosts as a transcript. Exit status 1 if a promise was broken."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.campaign import Campaign
from tests.factory_in_a_world import Factory
from tests.late import Broken, NotWithin


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--steps", type=int, default=25)
    given = parser.parse_args()
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"make faults SEED={given.seed}")
    with tempfile.TemporaryDirectory(prefix="apf-faults-") as folder, Factory(Path(folder), {}) as factory:
        try:
            Campaign(factory, given.seed, out.print).play(given.steps)
        except (NotWithin, Broken) as failed:
            out.print(str(failed), markup=False)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
