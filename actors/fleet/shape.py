"""A shape: how much of a machine there is, or how much of one a job asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

from actors.fleet.number_of import number_of

AMOUNTS = ("cpu", "MiB of memory", "MiB of disk", "gpu")


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

    def smaller_than(self, promised: Shape) -> str:
        """What there is less of than was promised, as a phrase; empty where it is nothing."""
        return self._told(promised, lambda real, said: real < said)

    def larger_than(self, promised: Shape) -> str:
        """The same of what there is more of, of what is bought by the number: cpus and gpus."""
        return self._told(promised, lambda real, said: real > said, only=("cpu", "gpu"))

    def _told(self, promised: Shape, differs: Callable[[int, int], bool], only: tuple[str, ...] = AMOUNTS) -> str:
        each = zip(AMOUNTS, astuple(self), astuple(promised), strict=True)
        return ", ".join(
            f"{number_of(real, name)} where its shape says {said}"
            for name, real, said in each
            if name in only and differs(real, said)
        )
