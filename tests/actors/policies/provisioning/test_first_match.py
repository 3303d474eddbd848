"""classad2 answers a process's first match wrongly when it needs HTCondor's own functions."""

import subprocess
import sys

FIRST_MATCH = """
from actors.fleet.shape import Shape
from actors.policies.provisioning.matchmaking import matches
from actors.policies.rules import cloud_rules
rules = cloud_rules(name="p", shape=Shape(cpus=1, memory_mib=512, disk_mib=10_000), max_vms=2)
wanted = '(versionGE(split(TARGET.CondorVersion)[1],"25.12.0") || (TARGET.Disk >= RequestDisk))'
print(matches(Shape(cpus=1, memory_mib=16, disk_mib=1), wanted, (("MATCH_APF_QUEUE", '"atlas"'),), rules.slot))
"""


def test_the_first_match_of_a_process_knows_htcondors_functions() -> None:
    said = subprocess.run([sys.executable, "-c", FIRST_MATCH], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "True"
