"""What rows of 0.1.0 say in sentences alone has the same codes as what is written now."""

import pytest

from actors.fleet.breaker import Position
from actors.fleet.history import Moment
from actors.fleet.reasons import Closing, Freezing, Unmatched
from actors.fleet.want import CloudView
from actors.store.codec import unpack
from actors.store.sentences import unmatched, with_codes, with_shown

OPEN = "breaker open until 10:00:00 UTC: NoCapacity: full"
HALF = "breaker half-open: one VM may try, and has to join first; it opened because NoCapacity: full"
SHORT = "pool/local shows 0 of 3 startds that were there before"


def view(**said: object) -> CloudView:
    return with_codes(CloudView(cloud="spot", at=1.0, room=1, **said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("closed", "until", "breaker", "frozen", "code"),
    [
        ("", 0.0, "", "", Closing.NOT_KNOWN),
        ("throttled: slow down", 9.0, "", "", Closing.THROTTLED),
        ("launches get no answer: timed out", 9.0, "", "", Closing.SILENT),
        ("no worker can be made: no token", 9.0, "", "", Closing.NO_WORKER),
        (OPEN, 9.0, OPEN, "", Closing.BREAKER),
        (HALF, 0.0, HALF, "", Closing.BREAKER),
        ("drained by ana: old image", 0.0, "", "", Closing.DRAINED),
        ("frozen by ana: power cut", 0.0, "", "frozen by ana: power cut", Closing.STOPPED),
    ],
)
def test_an_old_view_says_why_its_cloud_is_closed(
    closed: str, until: float, breaker: str, frozen: str, code: Closing
) -> None:
    assert view(closed=closed, closed_until=until, breaker=breaker, frozen=frozen).closed_by is code


def test_an_old_view_says_how_its_breaker_stands() -> None:
    assert [view(breaker=told).breaker_at for told in ("", HALF, OPEN)] == list(Position)


@pytest.mark.parametrize(
    ("frozen", "closed", "code"),
    [
        ("", "", Freezing.NOT_KNOWN),
        (SHORT, "", Freezing.SHORT),
        ("pool/local no answer", "", Freezing.SOURCE),
        ("frozen by ana", "frozen by ana", Freezing.STOPPED),
    ],
)
def test_an_old_view_says_why_nothing_is_released(frozen: str, closed: str, code: Freezing) -> None:
    assert view(frozen=frozen, closed=closed).frozen_by is code


def test_what_a_view_says_in_codes_is_not_asked_of_its_sentences() -> None:
    told = view(closed=OPEN, breaker=OPEN, closed_by=Closing.SILENT, breaker_at=Position.HALF_OPEN, frozen=SHORT)
    assert (told.closed_by, told.breaker_at, told.frozen_by) == (Closing.SILENT, Position.HALF_OPEN, "")


def test_a_code_of_a_later_version_is_not_known_here() -> None:
    body = b"\x84\xa5cloud\xa4spot\xa2at\x01\xa4room\x01\xa9closed_by\xa9new-cause"
    assert unpack(CloudView, body).closed_by is Closing.NOT_KNOWN


def test_old_sentences_of_jobs_that_no_cloud_runs_are_told_apart() -> None:
    vain = "bought 3 of private for these 3 jobs; they joined and got none of them: the pool does not match them: ..."
    assert [unmatched(vain), unmatched("3 jobs ask for 64 cpus")] == [Unmatched.IN_VAIN, Unmatched.NO_CLOUD]


def test_an_old_moment_says_which_of_its_sentences_is_what_the_startd_showed() -> None:
    seen = "its startd node-1 showed slot1 Claimed/Busy"
    old = Moment(vm="a-0", at=1.0, was="ready", now="draining", why="", evidence=("the pool was read 2 s before", seen))
    assert (old.startd_showed, with_shown(old).startd_showed) == ("", seen)
