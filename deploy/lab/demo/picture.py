"""python -m deploy.lab.demo.picture FILE.svg [--simulated]: runs the demo and keeps its best moment as a picture.

That is the one that shows the most different things: states of VMs, jobs that wait, run and are done.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from deploy.lab.demo.run import Demo, stage
from deploy.lab.demo.screen import Scene, draw

WIDTH, HEIGHT = 110, 34


class Picture:
    """Keeps the richest scene that it was told."""

    def __init__(self) -> None:
        self._best: Scene | None = None

    def see(self, scene: Scene) -> None:
        if self._best is None or richness(scene) >= richness(self._best):
            self._best = scene

    def svg(self) -> str:
        """Raises ValueError when nothing was seen."""
        if self._best is None:
            raise ValueError("no scene was seen")
        console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
        console.print(draw(self._best, WIDTH, HEIGHT))
        return console.export_svg(title="apf demo")


def richness(scene: Scene) -> tuple[int, int]:
    """How many different states are to be seen, with work going on; and how many sentences."""
    states = {vm.state for vm in scene.vms} | {state for state, count in scene.jobs.items() if count}
    return len(states) + min(3, scene.jobs["running"]), len(scene.said)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.lab.demo.picture", description="The demo as a picture.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--simulated", action="store_true")
    given = parser.parse_args()
    picture = Picture()
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="apf-demo-")))
        console = Console()
        Demo(console, folder, stage(console, exits, given.simulated), seen=picture.see).play()
    given.file.write_text(picture.svg())


if __name__ == "__main__":
    main()
