"""Each guard of the product, switched off: the campaign must fail then. A check that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable

OFF: dict[str, Callable[[], None]] = {}
