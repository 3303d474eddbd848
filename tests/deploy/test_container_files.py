"""What builds and runs containers names files, ports and users that are there. No engine is asked: deploy/README.md."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

from actors.config.schema import Console
from actors.console.shipped import PLACES

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy/container"
CONTAINERFILE = (HERE / "Containerfile").read_text()
COMPOSE = yaml.safe_load((HERE / "compose.yml").read_text())
PORT = Console.model_fields["port"].default
OF_THE_OPERATOR = {"factory.toml", "tokens.d"}


def test_what_is_copied_into_the_image_is_there() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    assert copied
    for one in " ".join(copied).split():
        assert (ROOT / one).exists(), one


def test_the_image_holds_every_package_of_the_wheel() -> None:
    assert {"actors", "broker", "configs", "deploy"} <= set(re.findall(r"^COPY (\w+) /src/\1$", CONTAINERFILE, re.M))


def test_the_user_of_the_image_has_no_rights_and_owns_what_is_written() -> None:
    (uid,) = re.findall(r"--uid (\d+)", CONTAINERFILE)
    assert f"USER {uid}:{uid}" in CONTAINERFILE
    assert any(f"uid={uid}" in place for place in COMPOSE["services"]["host"]["tmpfs"])


def test_health_and_metrics_are_asked_where_a_host_answers() -> None:
    assert f"EXPOSE {PORT}" in CONTAINERFILE
    assert f"127.0.0.1:{PORT}/healthz" in CONTAINERFILE
    scraped = yaml.safe_load((HERE / "prometheus.yml").read_text())["scrape_configs"]
    assert [found["port"] for one in scraped for found in one["dns_sd_configs"]] == [PORT]


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_what_a_service_mounts_is_there_or_the_operators_own(service: str) -> None:
    for mounted in COMPOSE["services"][service].get("volumes", ()):
        source = mounted.split(":")[0]
        if source.startswith(".") and Path(source).name not in OF_THE_OPERATOR:
            assert (HERE / source).exists(), source


def test_a_host_runs_with_a_root_that_cannot_be_written_and_no_capabilities() -> None:
    host = COMPOSE["services"]["host"]
    assert (host["read_only"], host["cap_drop"], host["deploy"]["replicas"]) == (True, ["ALL"], 3)
    quadlet = configparser.ConfigParser(strict=False, interpolation=None)
    quadlet.optionxform = str  # type: ignore[assignment,method-assign]
    quadlet.read(HERE / "apf.container")
    assert quadlet["Container"]["ReadOnly"] == "true"
    assert quadlet["Container"]["DropCapability"] == "all"
    assert (HERE / quadlet["Container"]["Volume"].split(":")[0]).exists()


def test_both_services_of_systemd_do_not_try_a_wrong_configuration_again() -> None:
    for place in ("container/apf.container", "systemd/apf.service"):
        assert "RestartPreventExitStatus=2" in (ROOT / "deploy" / place).read_text()


def test_these_files_are_written_out_by_apf_files() -> None:
    assert "deploy/container" in PLACES
