"""Show the status once, or again and again until it is interrupted. A Redis that goes away meanwhile is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from actors.console.status_model import Status
from actors.console.status_screen import screen
from actors.console.terminal import Screen
from actors.fleet.number_of import number_of
from broker.errors import Unreachable


def once(read: Callable[[], Status], console: Screen, with_vms: bool, as_json: bool) -> None:
    """Raises Unreachable."""
    status = read()
    if as_json:
        console.document(status.model_dump_json(indent=2))
    else:
        console.print(screen(status, with_vms))


def watch(
    read: Callable[[], Status],
    console: Screen,
    with_vms: bool,
    as_json: bool,
    every_s: float,
    wait: Callable[[float], None],
) -> None:
    """Until KeyboardInterrupt. As JSON: one line a look."""
    if as_json:
        while True:
            console.document(read().model_dump_json())
            wait(every_s)
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            try:
                live.update(_Cut(screen(read(), with_vms)), refresh=True)
            except Unreachable as away:
                live.update(Text(f"{away}; asked again every {every_s:g} s", style="red"), refresh=True)
            wait(every_s)


class _Cut:
    """What fits on the screen, and how much does not: nothing is left out without a word."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType | Segment]:
        lines = console.render_lines(self._whole, options.update(height=None), pad=False)
        most = console.size.height if console.is_terminal else len(lines)
        shown = lines if len(lines) <= most else lines[: most - 1]
        for number, line in enumerate(shown):
            if number:
                yield Segment.line()
            yield from line
        if left := len(lines) - len(shown):
            yield Segment.line()
            hint = f"{number_of(left, 'line')} more: a higher screen, --queue, --cloud, or without --watch"
            yield Text(hint, style="reverse", end="", no_wrap=True)
