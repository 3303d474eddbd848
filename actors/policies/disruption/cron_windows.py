"""Minutes of the week or the year, written as cron writes them: when drains may begin.

Five fields: minute, hour, day of the month, month, day of the week (0 or 7 is Sunday; names are known). Each is `*`, a
number, a range `a-b`, a list with commas, and any of these with a step `/n`. As with cron, where both days are limited
one of them is enough. Here an expression is not a moment at which something is begun but the set of minutes in which it
may: `* 22-23,0-5 * * *` is every minute of eight hours of each night. All in UTC: a night that summer time moves is
written wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Minutes:
    """A parsed expression; `text` is how it was written."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Minutes:
        """Raises ValueError with what was seen and what is allowed."""
        parts = text.lower().split()
        if len(parts) != len(_FIELDS):
            allowed = "five fields as in cron: minute, hour, day of the month, month, day of the week"
            raise ValueError(f"seen {text!r}; allowed: {allowed}")
        minutes, hours, days, months, weekdays = (
            _values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        return cls(
            text=text,
            minutes=minutes,
            hours=hours,
            days=days,
            months=months,
            weekdays=frozenset(day % 7 for day in weekdays),
            any_day=parts[2].startswith("*"),
            any_weekday=parts[4].startswith("*"),
        )

    def hold(self, now: float) -> bool:
        """Whether the minute of `now` (seconds since 1970, UTC) is one of them."""
        at = datetime.fromtimestamp(now, UTC)
        if at.minute not in self.minutes or at.hour not in self.hours or at.month not in self.months:
            return False
        day, weekday = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def _values(part: str, what: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        span, _, step = item.partition("/")
        first, dash, last = (str(low), "-", str(high)) if span == "*" else span.partition("-")
        begin = _number(first, item, what, low, high, names)
        end = _number(last, item, what, low, high, names) if dash else (high if step else begin)
        by = _number(step, item, f"{what}'s step", 1, high, {}) if "/" in item else 1
        if begin > end:
            raise ValueError(f"{what}: seen {item!r}; allowed: a range that grows, or two with a comma")
        found.update(range(begin, end + 1, by))
    return frozenset(found)


def _number(text: str, item: str, what: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names.get(text, int(text) if text.isascii() and text.isdecimal() else -1)
    if not low <= number <= high:
        known = f" or {', '.join(names)}" if names else ""
        raise ValueError(f"{what}: seen {item!r}; allowed: {low} to {high}{known}, *, a-b, lists, /step")
    return number
