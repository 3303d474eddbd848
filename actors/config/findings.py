"""What a live check found: one line for `apf check --live`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`what` was checked, whether it is `ok` (None: it could not be checked), and what was seen or what to do."""

    what: str
    ok: bool | None
    text: str = ""
