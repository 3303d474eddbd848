"""A shape: how much of a machine there is, or how much of one a job asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Four non-negative amounts, in the units of HTCondor's Request attributes (disk in MiB, not KiB)."""

    cpus: int = 1
    memory_mib: int = 0
    disk_mib: int = 0
    gpus: int = 0

    def holds(self, other: Shape) -> bool:
        """Whether `other` fits into this shape, each amount by itself."""
        return (
            self.cpus >= other.cpus
            and self.memory_mib >= other.memory_mib
            and self.disk_mib >= other.disk_mib
            and self.gpus >= other.gpus
        )

    def less(self, other: Shape) -> Shape:
        """What is left when `other` is taken out. The caller has asked `holds` first."""
        return Shape(
            cpus=self.cpus - other.cpus,
            memory_mib=self.memory_mib - other.memory_mib,
            disk_mib=self.disk_mib - other.disk_mib,
            gpus=self.gpus - other.gpus,
        )
