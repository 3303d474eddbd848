"""What well-known EC2 machine types have: for configurations that never said it. No package that we have tells.

Older types are listed. Of the later families all sizes follow one rule: 4 cores an "xlarge", and so much memory a core.
Of the memory a twentieth is left to the system.
"""

from __future__ import annotations

import re

LISTED = {  # cpus, memory MiB
    "t2.micro": (1, 900), "t2.small": (1, 1_900), "t2.medium": (2, 3_800), "m1.small": (1, 1_600),
    "m1.medium": (1, 3_600), "m1.large": (2, 7_300), "m1.xlarge": (4, 14_800), "c1.medium": (2, 1_600),
    "c1.xlarge": (8, 6_900), "m3.medium": (1, 3_600), "m3.large": (2, 7_300), "m3.xlarge": (4, 14_800),
    "m3.2xlarge": (8, 29_800), "c3.large": (2, 3_600), "c3.xlarge": (4, 7_300), "c3.2xlarge": (8, 14_800),
    "m4.large": (2, 7_800), "m4.xlarge": (4, 15_800), "c4.large": (2, 3_600), "c4.xlarge": (4, 7_300),
    "c4.2xlarge": (8, 14_400), "c4.4xlarge": (16, 28_900), "c4.8xlarge": (36, 57_000), "c3.4xlarge": (16, 28_900),
    "c3.8xlarge": (32, 57_800), "r3.large": (2, 14_600), "r3.xlarge": (4, 29_200), "r3.2xlarge": (8, 58_500),
    "t2.large": (2, 7_700), "t3.micro": (2, 900), "t3.small": (2, 1_900), "t3.medium": (2, 3_800),
    "t3.large": (2, 7_700), "t3.xlarge": (4, 15_500), "t3.2xlarge": (8, 31_000),
}  # fmt: skip
GIB_A_CORE = {"c": 2, "m": 4, "r": 8}
REGULAR = re.compile(r"(?:m4|([cmr])(?:5|5a|5d|5n|6i|6a|6id|7i|7a))\.(large|(\d{0,2})xlarge)")


def machine(kind: str) -> tuple[int, int] | None:
    """(cores, MiB of memory for jobs) of a machine type; None: not known here."""
    if kind in LISTED:
        return LISTED[kind]
    found = REGULAR.fullmatch(kind)
    if not found:
        return None
    cores = 2 if found[2] == "large" else 4 * int(found[3] or 1)
    return cores, int(cores * GIB_A_CORE[found[1] or "m"] * 1024 * 0.95)
