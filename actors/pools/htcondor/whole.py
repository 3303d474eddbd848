"""Jobs of a schedd that cannot group them: one by one, and without the clusters that it cannot tell. Runs in a child.

To group by Requirements, and to tell them in a projection, a schedd follows all that they name. For attributes that
name others twice each (`A1 = A0 + A0`, ... `A26`) that takes it longer than anybody waits, so one such job hides all
others (measured, 25.14). Whole ads it tells at once, 100 us each. So after a schedd hung, it is asked for these; the
clusters of jobs that cost too much are noted, and from then on it is asked for each job with a projection, without
them, until they are gone.
"""

from __future__ import annotations

import htcondor2
from classad2 import ClassAd

from actors.pools.htcondor.apart import Lost, judged
from actors.pools.htcondor.cost import TooCostly, refuse_costly

ID = ("ClusterId", "ProcId")
DEAR = "costs too much to evaluate, or for the schedd itself to tell of: it is long, or names what names others, and on"


def ads(
    schedd: htcondor2.Schedd, constraint: str, asked: list[str], avoided: tuple[int, ...]
) -> tuple[list[ClassAd], tuple[int, ...], list[Lost]]:
    """The jobs that can be told of, the clusters to avoid from now on, and one job of each of these."""
    kept = schedd.query(f"({constraint}) && ({_among(avoided)})", [*ID, "JobStatus"]) if avoided else []
    still = {int(ad["ClusterId"]): ad for ad in kept}
    if still:
        found = schedd.query(f"({constraint}){without(tuple(still))}", sorted({*asked, *ID}))
        return found, tuple(sorted(still)), [(ad, DEAR) for ad in still.values()]
    found = schedd.query(constraint)
    dear, lost = judged("whole", found, _is_dear)
    gone = {id(ad) for ad, _ in lost}
    told = iter(dear)
    verdicts = [(ad, True if id(ad) in gone else next(told)) for ad in found]
    bad = {int(ad["ClusterId"]): ad for ad, too_dear in verdicts if too_dear}
    good = [ad for ad in found if int(ad["ClusterId"]) not in bad]
    return good, tuple(sorted(bad)), [(ad, DEAR) for ad in bad.values()]


def without(avoided: tuple[int, ...] | None) -> str:
    return f" && !({_among(avoided)})" if avoided else ""


def _among(clusters: tuple[int, ...]) -> str:
    return " || ".join(f"ClusterId == {number}" for number in clusters)


def _is_dear(ad: ClassAd) -> bool:
    try:
        refuse_costly(ad)
    except TooCostly:
        return True
    return False
