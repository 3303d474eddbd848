"""Cron expressions as sets of minutes: what is in, what is out, and what is no expression."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.disruption.cron_windows import Minutes

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(day: int, hour: int, minute: int = 0) -> float:
    """So many days after a Monday, the 2nd of March."""
    return (MONDAY + timedelta(days=day, hours=hour, minutes=minute)).timestamp()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("* * * * *", [at(0, 0), at(6, 23, 59)], []),
        ("* 22-23,0-5 * * *", [at(0, 22), at(1, 5, 59), at(1, 0)], [at(0, 21, 59), at(1, 6)]),
        ("* * * * sat,sun", [at(5, 0), at(6, 23, 59)], [at(4, 23, 59), at(7, 0)]),
        ("* * * * 6-7", [at(5, 12), at(6, 12)], [at(0, 12), at(4, 12)]),
        ("* * * * 0", [at(6, 12)], [at(5, 12), at(7, 12)]),
        ("* * * * MON-FRI", [at(0, 0), at(4, 12)], [at(5, 0)]),
        ("*/15 3 * * *", [at(2, 3), at(2, 3, 45)], [at(2, 3, 44), at(2, 4)]),
        ("10/20 * * * *", [at(0, 1, 10), at(0, 1, 50)], [at(0, 1), at(0, 1, 20)]),
        ("0-10/5 * * * *", [at(0, 0, 0), at(0, 0, 10)], [at(0, 0, 4), at(0, 0, 15)]),
        ("* * 2 mar *", [at(0, 12)], [at(1, 12)]),
        ("* * 3 * mon", [at(0, 12), at(1, 12), at(7, 12)], [at(2, 12)]),  # either day is enough
        ("* * */2 * mon", [at(7, 12)], [at(0, 12), at(1, 12)]),  # a star with a step is not a limit: both must hold
    ],
)
def test_a_minute_is_in_or_out(text: str, inside: list[float], outside: list[float]) -> None:
    minutes = Minutes.parse(text)
    assert [minutes.hold(now) for now in inside] == [True] * len(inside)
    assert [minutes.hold(now) for now in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("60 * * * *", "minute: seen '60'; allowed: 0 to 59"),
        ("* 5-2 * * *", "hour: seen '5-2'; allowed: a range that grows"),
        ("* * 0 * *", "day of the month"),
        ("* * * smarch *", "month: seen 'smarch'"),
        ("* * * * 8", "day of the week"),
        ("*/0 * * * *", "step"),
        ("* 1, * * *", "hour"),
        ("* 1- * * *", "hour"),
        ("* -1 * * *", "hour"),
        ("* ² * * *", "hour"),
        ("@daily", "five fields"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="allowed") as wrong:
        Minutes.parse(text)
    assert told in str(wrong.value)


@given(st.text(alphabet="0123456789*/-, monsu", max_size=30))
def test_any_text_is_an_expression_or_a_mistake(text: str) -> None:
    said = ""
    try:
        parsed = Minutes.parse(text).text
    except ValueError as wrong:
        parsed, said = "", str(wrong)
    assert parsed == text or "allowed" in said


@given(st.integers(0, 10**10), st.sets(st.integers(0, 23), min_size=1), st.sets(st.integers(0, 6), min_size=1))
def test_hours_and_days_of_the_week_mean_what_the_calendar_says(now: int, hours: set[int], days: set[int]) -> None:
    minutes = Minutes.parse(f"* {','.join(map(str, hours))} * * {','.join(map(str, days))}")
    day, second = divmod(now, 86_400)
    assert minutes.hold(float(now)) == (second // 3600 in hours and (day + 4) % 7 in days)  # 1970 began on a Thursday
