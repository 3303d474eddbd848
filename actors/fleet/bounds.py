"""How much of what comes from outside is taken in: texts are cut, with a mark; numbers have a range. Pure."""

from __future__ import annotations

MARK = "..."
MOST_SECONDS = 1 << 53  # of any time or duration: what every format keeps exactly


def cut(value: object, most: int) -> str:
    """At most `most` characters (4 or more) of a text; what is no text is none."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= most else value[: most - len(MARK)] + MARK


def within(value: object, most: float) -> bool:
    """Whether it is a number from 0 to `most`. True and false are none, and what is not a number is in no range."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
