"""`apf apply`: what a configuration would change, shown; then it is the active one for all hosts.

What becomes active is what was shown: the generation that the difference was made from is compared inside Redis, so of
two operators the second is told to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from actors.applying import clouds_of, differences, planned
from actors.config import Config
from actors.console.refusals import NotSafe
from actors.console.store import Store
from actors.registry import read_vms

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`number`: the active generation that it is made from, 0 when there is none. `retired`: VMs by removed cloud."""

    number: int
    body: bytes
    lines: tuple[str, ...]
    retired: Mapping[str, int]

    @property
    def changes(self) -> bool:
        return not self.number or bool(self.lines)


def propose(config: Config, rows: Store) -> Proposal:
    """Raises NotSafe, Unreachable."""
    edition = rows.document.read()
    vms = [vm.cloud for vm in read_vms(rows.table, clouds_of(edition)) if vm.alive]
    body = planned(edition, config, dict.fromkeys(vms))
    left_out = {cloud: vms.count(cloud) for cloud in dict.fromkeys(vms) if cloud not in config.clouds}
    if lost := [cloud for cloud in left_out if f'"{cloud}": {{'.encode() not in body]:
        raise NotSafe(
            f"VMs run on {', '.join(lost)}, which this file leaves out, and the active configuration is a newer"
            " version's: apply with that version, or keep the cloud in the file"
        )
    return Proposal(
        number=edition.number if edition else 0,
        body=body,
        lines=tuple(differences(edition.body if edition else b"", body)),
        retired=left_out,
    )


def make_active(rows: Store, proposal: Proposal, by: str) -> int:
    """Returns the new generation. Raises StaleRow when somebody else changed it meanwhile, Unreachable."""
    return rows.document.replace(proposal.body, proposal.number, by)


def shown(proposal: Proposal) -> Group:
    lines = [Text(line, style=_STYLES.get(line[:1], "")) for line in proposal.lines]
    kept = [
        Text.assemble(
            ("note  ", "yellow"),
            f"{cloud} stays as retired: {count} VM{'' if count == 1 else 's'} run there. Nothing is started on it any"
            " more, what runs is drained; apply again when they have ended.",
        )
        for cloud, count in proposal.retired.items()
    ]
    return Group(*lines, *kept)
