"""`apf apply`: what a configuration would change, shown; then it is the active one for all hosts.

What becomes active is what was shown: the generation that the difference was made from is compared inside Redis, so of
two operators the second is told to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group
from rich.text import Text

from actors.config.as_file import toml
from actors.config.changes import changes
from actors.config.schema import Config
from actors.console.opened import Store
from actors.console.refusals import NotSafe
from actors.store.active_config import NotServable, clouds_of, planned, with_shared
from actors.store.vms import read_vms

_STYLES = {"+": "green", "-": "red"}


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
        lines=tuple(changes(edition.body if edition else b"", body)),
        retired=left_out,
    )


def propose_before(config: Config, rows: Store) -> Proposal:
    """To go back to what was active before; a second time takes that back. Raises NotSafe, Unreachable."""
    before = rows.document.before()
    if before is None:
        raise NotSafe("which configuration was active before is not known: apply the file that you want")
    try:
        return propose(with_shared(config, before.body), rows)
    except NotServable as wrong:
        raise NotSafe(f"generation {before.number} cannot be made active again: {wrong}") from wrong


def active(rows: Store) -> str:
    """What all hosts serve, as TOML. Raises NotSafe when there is none, Unreachable."""
    edition = rows.document.read()
    if edition is None:
        raise NotSafe("no configuration is active: `apf apply CONFIG` makes one so, and a factory's first host")
    since = datetime.fromtimestamp(edition.at, UTC).isoformat(timespec="seconds")
    who = " ".join(edition.by.split())  # a name must not leave its comment
    return f"# Generation {edition.number}, by {who}, {since}\n{toml(edition.body)}"


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
