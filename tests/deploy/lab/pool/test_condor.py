"""HTCondor is had from the machine's own mirror, whole or not at all."""

from pathlib import Path

import pytest

from deploy.lab.pool import condor as condor_module
from deploy.lab.pool.condor import CannotHave, condor_prefix

OTHER = "Types: deb\nURIs: https://elsewhere.example/node\nSuites: nodistro\nComponents: main\n"
DEBIAN = """# made by the installer
Types: deb deb-src
# a comment in the middle
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(condor_module, "debian_codename", lambda: "trixie")
    return tmp_path


def test_the_mirror_is_found_among_others_in_deb822_sources(etc: Path) -> None:
    (etc / "sources.list.d/a-node.sources").write_text(OTHER)
    (etc / "sources.list.d/debian.sources").write_text(DEBIAN)
    assert condor_module.mirror(etc) == "http://mirror.example/debian"


def test_the_mirror_is_found_in_a_one_line_list(etc: Path) -> None:
    lines = ["# deb http://old.example/debian trixie main", "deb [arch=amd64] http://one.example/debian trixie main"]
    (etc / "sources.list").write_text("\n".join(lines))
    assert condor_module.mirror(etc) == "http://one.example/debian"


def test_a_source_that_is_switched_off_is_not_taken(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text("Enabled: no\n" + DEBIAN.partition("\n")[2])
    with pytest.raises(CannotHave, match="no source for Debian trixie"):
        condor_module.mirror(etc)


def test_a_mirror_that_cannot_be_reached_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condor_module, "debian_codename", lambda: "trixie")
    monkeypatch.setattr(condor_module, "mirror", lambda: "http://127.0.0.1:9/debian")
    with pytest.raises(CannotHave, match=r"^trixie: (apt-get.*127\.0\.0\.1|apt-get: .*No such file|.*keyring)"):
        condor_prefix(("trixie",), tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*/.whole"))


@pytest.mark.lab
def test_a_second_call_finds_what_the_first_made(condor: Path) -> None:
    assert condor_prefix() == condor
    assert (condor / "usr/sbin/condor_master").exists()
