"""What happened in a campaign, for its judge and its report."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.world_campaign.faults import Fault


@dataclass(slots=True, kw_only=True)
class Played:
    """What happened. `wrong`: what kept the campaign from its end."""

    faults: list[Fault] = field(default_factory=list)
    whole_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # by kind: end of fault to whole
    grown_s: float = 0.0
    faults_s: float = 0.0
    ended_s: float = 0.0
    most_alive: int = 0
    wrong: str = ""
    stopped: bool = False  # before its end, since a promise was broken already
    not_ended: list[str] = field(default_factory=list)  # hosts that were told to stop, and went on
    killed_by_operator: set[str] = field(default_factory=set)

    @property
    def late(self) -> bool:
        return self.wrong.startswith("NotWithin: ")
