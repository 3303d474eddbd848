"""The script that closes the metadata service on a worker, run as it is, with programs that note what they are told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.actors.clouds.worker.test_user_data import files

AMAZON, AMAZON_6, OPENSTACK_6 = "169.254.169.254", "fd00:ec2::254", "fe80::a9fe:a9fe"
RECORDER = """#!/bin/sh
echo "${0##*/} $*" >> "$SAID"
[ "$1" != -f ] || cat >> "$SAID"
[ "$1" != -C ] || exit ${THERE:-1}
exit ${STATUS:-0}
"""


def ran(folder: Path, *programs: str, **environment: str) -> tuple[int, str]:
    """Status, and what these programs were told, with nothing else on the PATH but the shell's own needs."""
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "cat").symlink_to(shutil.which("cat") or "cat")
    for name in programs:
        (bin_ / name).write_text(RECORDER)
        (bin_ / name).chmod(0o755)
    script = folder / "apf-metadata"
    script.write_text(files()["/usr/local/sbin/apf-metadata"]["content"])
    said = folder / "said"
    said.write_text("")
    env = {"PATH": str(bin_), "SAID": str(said), **environment}
    done = subprocess.run(["/bin/sh", script], env=env, timeout=20, check=False, capture_output=True)
    return done.returncode, said.read_text()


def test_nft_gets_one_table_that_replaces_the_one_of_an_earlier_boot(tmp_path: Path) -> None:
    status, said = ran(tmp_path, "nft", "iptables")
    assert status == 0
    assert "iptables" not in said
    assert said.index("delete table inet apf") < said.index("chain output")
    for address in (AMAZON, AMAZON_6, OPENSTACK_6):
        assert address in said
    assert said.count("meta skuid != 0") == said.count("reject") == 2


def test_without_nft_each_address_is_closed_by_its_own_iptables(tmp_path: Path) -> None:
    status, said = ran(tmp_path, "iptables", "ip6tables")
    assert status == 0
    assert f"iptables -I OUTPUT -d {AMAZON} -p tcp --dport 80 -m owner ! --uid-owner 0 -j REJECT" in said
    if Path("/proc/net/if_inet6").exists():
        for address in (AMAZON_6, OPENSTACK_6):
            assert f"ip6tables -I OUTPUT -d {address} -p tcp --dport 80 -m owner ! --uid-owner 0 -j REJECT" in said


def test_a_rule_that_is_there_is_not_added_again(tmp_path: Path) -> None:
    assert "-I" not in ran(tmp_path, "iptables", "ip6tables", THERE="0")[1]


@pytest.mark.parametrize("programs", [("nft",), ("iptables", "ip6tables")])
def test_where_the_service_cannot_be_closed_it_fails_and_so_does_htcondors_start(
    tmp_path: Path, programs: tuple[str, ...]
) -> None:
    assert ran(tmp_path, *programs, STATUS="1")[0] != 0
