"""What a campaign shows, as text and as the manual's block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.world_campaign.judge import Verdict
from tests.world_campaign.played import Played


def lines(seed: int, vms: int, played: Played, verdict: Verdict, guards: Mapping[str, int], took_s: float) -> list[str]:
    kinds = Counter(fault.kind for fault in played.faults)
    slowest = {kind: max(times) for kind, times in played.whole_s.items() if times}
    worst = max(slowest.items(), key=lambda one: one[1], default=("-", 0.0))
    return [
        f"seed {seed}, {vms} VMs: {'every promise was kept' if verdict.kept else 'BROKEN'} in {took_s:.0f} s",
        f"  VMs started {verdict.vms}, at once {verdict.most_alive}; jobs {verdict.jobs}; paid {verdict.usd:.2f} USD",
        f"  busy VMs ended {verdict.busy_ended}, leaked {verdict.leaked}, bought twice {verdict.bought_twice}, "
        f"jobs lost {verdict.jobs_lost}",
        f"  apart, by name: busy VMs taken by spot clouds {verdict.spot_reclaims}, killed by the operator "
        f"{verdict.operators_kills}; VMs ended by their own switch "
        f"{verdict.powered_off}; jobs evicted by drains {verdict.evictions}, failed on black holes {verdict.failed}",
        f"  faults {len(played.faults)}: " + ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())),
        f"  longest from a fault's end to whole again: {worst[1]:.1f} s ({worst[0]})",
        f"  grown in {played.grown_s:.0f} s, faults for {played.faults_s:.0f} s, all ended in {played.ended_s:.0f} s",
        "  guards: " + ", ".join(f"{name} {n}" for name, n in guards.items()),
        *(f"  WRONG: {line}" for line in verdict.wrong[:40]),
    ]


Row = tuple[int, int, Played, Verdict, Mapping[str, int], float]


def markdown(rows: list[Row]) -> str:
    """One column a seed."""
    seeds = [str(seed) for seed, *_ in rows]
    table = [
        ("VMs at once, at most", [f"{v.most_alive:,}" for _, _, _, v, _, _ in rows]),
        ("VMs started", [f"{v.vms:,}" for _, _, _, v, _, _ in rows]),
        ("jobs", [f"{v.jobs:,}" for _, _, _, v, _, _ in rows]),
        ("faults", [str(len(p.faults)) for _, _, p, _, _, _ in rows]),
        ("**busy VMs ended**", [str(v.busy_ended) for _, _, _, v, _, _ in rows]),
        ("**leaked**", [str(v.leaked) for _, _, _, v, _, _ in rows]),
        ("**bought twice**", [str(v.bought_twice) for _, _, _, v, _, _ in rows]),
        ("**jobs lost**", [str(v.jobs_lost) for _, _, _, v, _, _ in rows]),
        ("busy VMs taken by spot clouds", [str(v.spot_reclaims) for _, _, _, v, _, _ in rows]),
        ("busy VMs killed by the operator", [str(v.operators_kills) for _, _, _, v, _, _ in rows]),
        ("VMs that could not be drained, ended by their own switch", [str(v.powered_off) for _, _, _, v, _, _ in rows]),
        ("jobs evicted by drains", [str(v.evictions) for _, _, _, v, _, _ in rows]),
        ("jobs that failed on black holes", [str(v.failed) for _, _, _, v, _, _ in rows]),
        ("longest from a fault's end to whole again", [_worst(p) for _, _, p, _, _, _ in rows]),
        ("took", [f"{took:.0f} s" for *_, took in rows]),
    ]
    head = ["| seed | " + " | ".join(seeds) + " |", "| --- |" + " ---: |" * len(rows)]
    body = [f"| {name} | " + " | ".join(cells) + " |" for name, cells in table]
    kinds = sorted({fault.kind for _, _, played, *_ in rows for fault in played.faults})
    counts = [Counter(fault.kind for fault in played.faults) for _, _, played, *_ in rows]
    faults = [f"| {kind} | " + " | ".join(str(count[kind]) for count in counts) + " |" for kind in kinds]
    guards = list(dict.fromkeys(name for row in rows for name in row[4]))
    fired = [f"| {name} | " + " | ".join(str(row[4].get(name, 0)) for row in rows) + " |" for name in guards]
    part = lambda title: ["", f"| {title} |" + " |" * len(rows), "| --- |" + " ---: |" * len(rows)]  # noqa: E731
    return "\n".join([*head, *body, *part("faults by kind"), *faults, *part("how often each guard fired"), *fired])


def _worst(played: Played) -> str:
    slowest = [(max(times), kind) for kind, times in played.whole_s.items() if times]
    if not slowest:
        return "-"
    worst, kind = max(slowest)
    return f"{worst:.1f} s ({kind})"
