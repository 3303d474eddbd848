"""Jobs into places: vector packing, first fit, the most constrained and largest classes first.

Jobs of a class are alike, and so are empty VMs of a cloud. So a place is filled once, and the filling is repeated as
often as places and jobs allow: the cost grows with the number of classes, not with that of jobs.

First fit on several amounts is not monotone in every case: one more small job can lead to one VM less. Where all ask
for the same amounts it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from actors.policies.need import Load, Size


class Waiting:
    """The jobs that still have no place. `take` gives them places and counts them off."""

    def __init__(self, load: Load) -> None:
        self._asks = load.asks
        self._left = list(load.left)
        self._order = load.order
        self._suits = load.suits

    @property
    def jobs(self) -> int:
        return sum(self._left[i] for i in self._order)

    @property
    def classes(self) -> int:
        """A bit for each class that has jobs left."""
        return sum(1 << i for i in self._order if self._left[i])

    def forget(self, jobs: int) -> None:
        """Count off that many jobs, of the largest classes first: they have places that no reading shows yet."""
        for i in sorted(self._order, key=lambda i: -self._left[i]):
            gone = min(jobs, self._left[i])
            self._left[i] -= gone
            jobs -= gone

    def of(self, cloud: str) -> list[int]:
        """The classes with jobs left that `cloud` suits, in packing order."""
        suits = self._suits[cloud]
        return [i for i in self._order if self._left[i] and suits >> i & 1]

    def take(self, cloud: str, size: Size, places: int, *, single: bool = False) -> int:
        """Fill up to `places` equal places of `cloud`; each holds one job if `single`. Returns how many were used."""
        classes = self.of(cloud)
        used = 0
        while used < places:
            filling = self._filling(size, classes, single)
            if not filling:
                break
            times = min(places - used, min(self._left[i] // n for i, n in filling))
            for i, n in filling:
                self._left[i] -= n * times
            used += times
        return used

    def take_slots(self, cloud: str, slots: Iterable[Size], *, single: bool) -> int:
        """Fill slots of different sizes, the smallest first. Returns how many were used."""
        used = 0
        for size, places in sorted(Counter(slots).items()):
            if size[0] > 0:
                used += self.take(cloud, size, places, single=single)
        return used

    def _filling(self, size: Size, classes: Sequence[int], single: bool) -> list[tuple[int, int]]:
        cpus, memory_mib, disk_mib, gpus = size
        filling = []
        for i in classes:
            n = self._left[i]
            if not n:
                continue
            ask = self._asks[i]
            n = min(n, cpus // ask[0])
            n = min(n, memory_mib // ask[1]) if ask[1] else n
            n = min(n, disk_mib // ask[2]) if ask[2] else n
            n = min(n, gpus // ask[3]) if ask[3] else n
            if n <= 0:
                continue
            filling.append((i, 1 if single else n))
            cpus -= n * ask[0]
            memory_mib, disk_mib, gpus = memory_mib - n * ask[1], disk_mib - n * ask[2], gpus - n * ask[3]
            if single or cpus <= 0:
                break
        return filling
