"""Jobs into places: vector packing, first fit, the most constrained and largest classes first.

Jobs of a class are alike, and so are empty VMs of a cloud. So a place is filled once, and the filling is repeated as
often as places and jobs allow: the cost grows with the number of classes, not with that of jobs.

First fit on several amounts is not monotone in every case: one more small job can lead to one VM less. Where all ask
for the same amounts it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from copy import copy

from actors.policies.provisioning.matchmaking import Load, Size

Filling = list[tuple[int, int]]  # (class, jobs of it), each class once


class Waiting:
    """The jobs that still have no place. `take` gives them places and counts them off."""

    def __init__(self, load: Load) -> None:
        self._asks = load.asks
        self._left = list(load.left)
        self._suits, self._prefers = load.suits, load.prefers
        self._cpus, self._bits = load.cpus, load.bits
        self._on = load.on
        self.classes = sum(1 << i for i, n in enumerate(self._left) if n)  # a bit for each class with jobs left

    def copy(self) -> Waiting:
        """The same jobs once more."""
        other = copy(self)
        other._left = list(self._left)
        return other

    @property
    def jobs(self) -> int:
        return sum(self._left)

    def forget(self, jobs: int) -> None:
        """Count off that many jobs, of the largest classes first: they have places that no reading shows yet."""
        while jobs > 0 and self.classes:
            i = max(range(len(self._left)), key=self._left.__getitem__)
            gone = min(jobs, self._left[i])
            self._count_off(i, gone)
            jobs -= gone

    @property
    def choosy(self) -> bool:
        """Whether some class ranks a cloud over another of the same tier."""
        return bool(self._prefers)

    def wants(self, cloud: str, *, best: bool = False) -> bool:
        """Whether jobs are left that `cloud` suits; `best`: that have no better one in its tier."""
        return bool(self._of(cloud, best))

    def _of(self, cloud: str, best: bool) -> int:
        return (self._prefers if best else self._suits)[cloud] & self.classes

    def take(self, cloud: str, size: Size, places: int, *, single: bool = False, best: bool = False) -> int:
        """Fill up to `places` equal places of `cloud`; each holds one job if `single`. Returns how many were used."""
        used = 0
        while used < places:
            filling = self._filling(cloud, self._of(cloud, best), size, single)
            if not filling:
                break
            times = min(places - used, min(self._left[i] // n for i, n in filling))
            for i, n in filling:
                self._count_off(i, n * times)
            used += times
        return used

    def take_slots(self, cloud: str, slots: Iterable[Size], *, single: bool) -> int:
        """Fill slots of different sizes, the smallest first. Returns how many were used."""
        if not self.wants(cloud):
            return 0
        sizes = sorted(Counter(slots).items())
        return sum(self.take(cloud, size, places, single=single) for size, places in sizes if size[0] > 0)

    def left(self, i: int) -> int:
        """Jobs of a class."""
        return self._left[i]

    def bits(self, clouds: Iterable[str], *, best: bool = False) -> int:
        """The classes with jobs left that one of `clouds` suits."""
        found = 0
        for cloud in clouds:
            found |= self._of(cloud, best)
        return found

    def count(self, classes: int) -> int:
        """Jobs left of some classes, given as bits."""
        return sum(n for i, n in enumerate(self._left) if classes >> i & 1)

    def of_one(self, cloud: str, size: Size, slots: int, *, single: bool, best: bool = False) -> Filling:
        """What one new VM of `slots` slots of `size` would take; each slot one job if `single`."""
        classes = self._of(cloud, best)
        if single:
            return self._singles(cloud, classes, size, slots)
        return self._filling(cloud, classes, size, single=False)

    def takes_all(self, filling: Filling, classes: int) -> bool:
        """Whether `filling` has every job that is left of `classes`."""
        for i, n in filling:
            if n < self._left[i]:
                return False
            classes &= ~(1 << i)
        return not classes

    def take_filling(self, filling: Filling, vms: int) -> None:
        """Count off what so many VMs take, each of them the same."""
        for i, n in filling:
            self._count_off(i, n * vms)

    def _count_off(self, i: int, jobs: int) -> None:
        self._left[i] -= jobs
        if not self._left[i]:
            self.classes &= ~(1 << i)

    def _singles(self, cloud: str, classes: int, size: Size, slots: int) -> Filling:
        """What `slots` slots take that hold one job each."""
        filling = []
        while slots and (one := self._filling(cloud, classes, size, single=True)):
            ((i, _),) = one
            n = min(slots, self._left[i])
            filling.append((i, n))
            slots, classes = slots - n, classes & ~(1 << i)
        return filling

    def _filling(self, cloud: str, classes: int, size: Size, single: bool) -> Filling:
        """What one place of `size` takes: (class, jobs). `classes` are bits; the lowest is the first to be packed."""
        cpus, memory_mib, disk_mib, gpus = size
        filling = []
        asks = self._on.get(cloud, self._asks)
        while classes := classes & self._up_to(cpus):
            lowest = classes & -classes
            classes ^= lowest
            i = lowest.bit_length() - 1
            c, m, d, g = asks[i]
            if c > cpus or m > memory_mib or d > disk_mib or g > gpus:
                continue
            if single:
                return [(i, 1)]
            n = min(self._left[i], cpus // c)
            n = min(n, memory_mib // m) if m else n
            n = min(n, disk_mib // d) if d else n
            n = min(n, gpus // g) if g else n
            filling.append((i, n))
            cpus, memory_mib, disk_mib, gpus = cpus - n * c, memory_mib - n * m, disk_mib - n * d, gpus - n * g
        return filling

    def _up_to(self, cpus: int) -> int:
        """The classes that ask for no more than so many cpus: most places are small, most classes need no look."""
        at = bisect_right(self._cpus, cpus)
        return self._bits[at - 1] if at else 0
