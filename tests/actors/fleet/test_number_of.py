"""Numbers in sentences, and that no sentence counts by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.fleet.number_of import number_of

PRODUCT = Path(__file__).parents[3] / "actors"
COUNTED = "jobs|VMs|cpus|gpus|cores|instances|startds|lines|times"
BY_HAND = re.compile(rf"""\bf"[^"]*\}} (?:\w+ )?(?:{COUNTED})\b""")
MANY = {  # what stands before the noun is a name, or it is told apart beside it, or never one
    "console/plan_screen.py", "fleet/effects.py", "fleet/evidence.py", "clouds/openstack/servers.py",
    "pools/panda/source.py", "policies/provisioning/vain.py", "pools/htcondor/census.py",
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (number_of(1, "job"), "1 job"),
        (number_of(0, "VM"), "0 VMs"),
        (number_of(2, "new VM"), "2 new VMs"),
        (number_of(1, "job", "wait"), "1 job waits"),
        (number_of(3, "job", "wait"), "3 jobs wait"),
        (number_of(1, "job", "are"), "1 job is"),
        (number_of(1, "job", "match"), "1 job matches"),
        (number_of(2, "class"), "2 classes"),
        (number_of(512, "MiB of memory"), "512 MiB of memory"),
        (number_of(1.0, "core"), "1 core"),
        (number_of(0.5, "US$/h"), "0.5 US$/h"),
    ],
)
def test_one_is_one_and_several_are_several(told: str, said: str) -> None:
    assert told == said


def test_no_sentence_puts_a_number_before_a_plural_by_itself() -> None:
    found = [
        f"{path.relative_to(PRODUCT.parent)}:{number}: {line.strip()}"
        for path in sorted(PRODUCT.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BY_HAND.search(line) and str(path.relative_to(PRODUCT)) not in MANY
    ]
    assert found == []
