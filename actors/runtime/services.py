"""What each of the four works with, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.config.schema import Config
from actors.runtime.calls import Calls
from actors.runtime.metrics import Gauges
from actors.runtime.post_office import PostOffice
from actors.runtime.terms import Terms
from broker.rows.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Of one host, for one configuration. `now`: Redis time in seconds."""

    config: Config
    table: Table
    office: PostOffice
    terms: Terms
    calls: Calls
    gauges: Gauges
    now: Callable[[], float]
