"""make campaign-guards: each guard switched off in turn must make the campaign fail within three seeds, and the seed
that fails must pass with it.

python -m tests.world_campaign.guards_table [--only NAME,NAME] [--readme]. Exit status 1 if one did not.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.world_campaign.guards_off import GUARDS
from tests.world_campaign.run import Settings, run

SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`seed` 0: no seed made it fail."""

    guard: str
    seed: int
    what: str
    with_it: str = ""  # what the same seed shows with the guard
    took_s: float


def settings_of(name: str, seed: int, off: bool = True) -> Settings:
    kinds = GUARDS[name].kinds
    return Settings(
        vms=GUARDS[name].vms,
        seed=seed,
        kinds=kinds,
        count=max(12, GUARDS[name].each * len(kinds)),
        over_s=45,
        off=name if off else "",
        quiet=True,
        impatient=True,
        out=Path(".campaign"),
    )


def show(name: str) -> Shown:
    began = time.monotonic()
    for seed in SEEDS:
        _, verdict, _ = run(settings_of(name, seed))
        if not verdict.kept:
            what = next((line for line in verdict.wrong if "NotWithin" not in line), verdict.wrong[0])
            with_it = run(settings_of(name, seed, off=False))[1].wrong
            took_s = time.monotonic() - began
            return Shown(guard=name, seed=seed, what=what, with_it=with_it[0] if with_it else "kept", took_s=took_s)
    return Shown(guard=name, seed=0, what="nothing", took_s=time.monotonic() - began)


def markdown(shown: list[Shown]) -> str:
    rows = [f"| {GUARDS[one.guard].says} | {one.seed or 'none'} | {one.what} | {one.with_it} |" for one in shown]
    return "\n".join(
        [
            "| the guard | seed that fails without it | the ledger says | and with it |",
            "| --- | ---: | --- | --- |",
            *rows,
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.world_campaign.guards_table")
    parser.add_argument("--only", default="", help="these guards: NAME,NAME")
    parser.add_argument("--readme", action="store_true", help="write the table into deploy/docs")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name] or list(GUARDS)
    shown = []
    for name in names:
        shown.append(show(name))
        print(f"{name}: {shown[-1]}", flush=True)  # noqa: T201
    if given.readme:
        from tests.readme import write

        write("guards", markdown(shown))
    return 0 if all(one.seed and one.with_it == "kept" for one in shown) else 1


if __name__ == "__main__":
    sys.exit(main())
