"""Show the status once, or again and again until it is interrupted. A Redis that goes away meanwhile is told."""

from __future__ import annotations

from collections.abc import Callable

from rich.live import Live
from rich.text import Text

from actors.console.status import Reader
from actors.console.status_screen import screen
from actors.console.terminal import Screen
from broker.errors import Unreachable


def once(reader: Reader, console: Screen, with_vms: bool, as_json: bool) -> None:
    """Raises Unreachable."""
    status = reader.read()
    if as_json:
        console.document(status.model_dump_json(indent=2))
    else:
        console.print(screen(status, with_vms))


def watch(
    reader: Reader,
    console: Screen,
    with_vms: bool,
    as_json: bool,
    every_s: float,
    wait: Callable[[float], None],
) -> None:
    """Until KeyboardInterrupt. As JSON: one line a look."""
    if as_json:
        while True:
            console.document(reader.read().model_dump_json())
            wait(every_s)
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            try:
                live.update(screen(reader.read(), with_vms), refresh=True)
            except Unreachable as away:
                live.update(Text(f"{away}; asked again every {every_s:g} s", style="red"), refresh=True)
            wait(every_s)
