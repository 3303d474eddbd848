"""The one way to a person's screen. Every command prints through a `Screen`; so nothing from outside is ever obeyed.

The rules it keeps:

- No text is markup: a `[bold]` or `[/x]` that somebody wrote is shown as it was written.
- Characters that are not printable are shown as escapes (`actors.config.outside_text`), in every cell of every table.
  A line feed too: what has several lines is several renderables, or goes through `document`.
- Where there is no terminal, nothing is broken over lines: a program, or `grep`, reads whole lines. COLUMNS set wins.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from actors.config.outside_text import visible, visible_document, visible_lines

UNBROKEN = 10_000  # columns: wider than any row


class Screen(Console):
    """A console that shows text and obeys none."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "soft_wrap": False, **settings, "markup": False, "emoji": False})
        self._asked_for = settings.get("width")

    @property
    def options(self) -> ConsoleOptions:
        """Without a terminal lines are as long as they are, unless a width was asked for."""
        told = super().options
        asked_for = self.is_terminal or self._asked_for or os.environ.get("COLUMNS")
        return told if asked_for else told.update(width=UNBROKEN)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Text, whatever it looks like."""
        return super().render_str(visible(text), **{**settings, "markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Where all that is printed comes by, once for each cell."""
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = _visible(renderable)
        for segment in super().render(renderable, options):
            yield _shown(segment)

    def document(self, text: str) -> None:
        """Print JSON or TOML as it is: its own line feeds stay, and no line is broken."""
        super().print(_Raw(visible_document(text)), soft_wrap=True)

    def failed(self, message: str) -> None:
        """Print an error. Its further lines are set in, so that none of them looks like a message of its own."""
        first, *more = visible_lines(message)
        for line in (first, *(line if line.startswith("  ") else f"  {line}" for line in more)):
            self.print(Text(line), soft_wrap=True)

    def died(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """For sys.excepthook: lines of code and the error, and never what variables held."""
        self.failed("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


class _Raw:
    """Lines that were made visible already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for line in self._text.split("\n"):
            yield Segment(line)
            yield Segment.line()


def _visible(text: Text) -> Text:
    """The same text with its styles, where it is printable."""
    shown = Text(style=text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, end=text.end)
    for part in text.split(allow_blank=True, include_separator=True):
        for style, piece in _pieces(part):
            shown.append(visible(piece), style)
    return shown


def _pieces(text: Text) -> Iterable[tuple[Style | str | None, str]]:
    """Runs of one style."""
    plain = text.plain
    edges = sorted({0, len(plain), *(edge for span in text.spans for edge in (span.start, span.end))})
    for start, end in itertools.pairwise(edges):
        styles = [span.style for span in text.spans if span.start <= start and span.end >= end]
        yield (styles[-1] if styles else None), plain[start:end]


def _shown(segment: Segment) -> Segment:
    """The last gate, for what other renderables (titles, trees) let pass. Line ends are rich's own by now."""
    if segment.control or segment.text.isprintable():
        return segment
    return segment._replace(text="\n".join(map(visible, segment.text.split("\n"))))
