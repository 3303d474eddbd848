"""What an idle host uses: CPU, threads, processes and memory, with 1 queue and with 200.

A real pool is read and two clouds are listed at their stock intervals; there are no jobs and no VMs. A host needs some
seconds to settle; then it is watched for a minute. CPU is the host's own; what its children use is told beside it.
"""

from __future__ import annotations

import sys
import time

from tests.benchmarks.figures import Figure
from tests.benchmarks.site import BenchHost, BenchSite, cpu_s, memory_mb, threads, until

QUEUES = (1, 200)
SETTLE_S = 20.0
WATCH_S = 60.0
LIMIT_PERCENT = 2.0


def figures() -> list[Figure]:
    found, counts = [], []
    for queues in QUEUES:
        of_host, threads_, children = _watched(queues)
        found += of_host
        counts.append((threads_, children))
    (threads_1, children_1), (threads_n, children_n) = counts
    few, many = QUEUES
    found += [
        Figure(what=f"threads of a host with {many} queues (raw: with {few})", raw=threads_1, ours=threads_n, unit=""),
        Figure(what=f"its children with {many} queues (raw: with {few})", raw=children_1, ours=children_n, unit=""),
    ]
    return found


def _watched(queues: int) -> tuple[list[Figure], int, int]:
    names = [f"q{number}" for number in range(queues)]
    with BenchSite() as site:
        host = site.host(site.config(names, ["private", "spot"]), noted=False)
        host.start()
        try:
            until(lambda: len(host.said("post taken")) >= queues + 3, "all posts are taken")
            time.sleep(SETTLE_S)
            own, of_children = _percent(host)
            many = threads(host.pid), len(host.children())
            memory = memory_mb(host.pid)
            host.stop()
        finally:
            host.close()
    title = f"idle host, {queues} queue" + "s" * (queues > 1)
    sys.stdout.write(f"  {title}: its children used {of_children:.2f} % of a core\n")
    figures = [
        Figure(what=f"{title}: of a core over {WATCH_S:g} s", ours=own, unit="%", limit=LIMIT_PERCENT),
        Figure(what=f"{title}: memory", ours=memory, unit="MB"),
    ]
    return figures, *many


def _percent(host: BenchHost) -> tuple[float, float]:
    """Of a core, over WATCH_S: the host, and its children that were there all the time."""
    children = {pid: cpu_s(pid) for pid in host.children()}
    began, used = time.monotonic(), cpu_s(host.pid)
    time.sleep(WATCH_S)
    took = time.monotonic() - began
    own = cpu_s(host.pid) - used
    still = set(host.children())
    below = sum(cpu_s(pid) - before for pid, before in children.items() if pid in still)
    return own / took * 100, below / took * 100
