"""`deploy/requirements.lock`: what a host installs, each file by its hash, is what the package asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "deploy" / "requirements.lock").read_text()
ASKED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def pinned() -> dict[str, tuple[str, int]]:
    """By package: its version, and how many hashes it has."""
    text = "\n".join(line for line in LOCK.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        wanted = Requirement(requirement)
        (pin,) = wanted.specifier
        assert pin.operator == "=="
        assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes)
        found[canonicalize_name(wanted.name)] = (pin.version, len(hashes))
    return found


@pytest.mark.parametrize("asked", ASKED)
def test_each_dependency_is_pinned_to_a_version_that_the_package_takes(asked: str) -> None:
    wanted = Requirement(asked)
    version, _ = pinned()[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(version)


def test_each_pin_has_a_hash() -> None:
    assert [name for name, (_, hashes) in pinned().items() if not hashes] == []


def test_it_names_no_place_to_install_from() -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|-i ", LOCK)
