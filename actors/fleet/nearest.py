"""The word that was meant by one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like `word`; empty where none is near."""
    near = difflib.get_close_matches(word, list(dict.fromkeys(known)), n=1, cutoff=0.6)
    return near[0] if near else ""
