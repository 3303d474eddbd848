"""The script by which a worker learns its name, run as it is, against metadata services over real HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.lab.cloud.metadata import MetadataService
from tests.actors.clouds.worker.test_user_data import WORKER, files

TOOLS = [tool for tool in ("curl", "wget") if shutil.which(tool)]
ANSWERS = {
    "meta-data/instance-id": "i-0abc",
    "meta-data/instance-type": 'm5"large\nSTART = true',
    "meta-data/placement/availability-zone": "us-east-1a",
    "meta-data/instance-life-cycle": "spot",
}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "etc/condor/config.d").mkdir(parents=True)
    file = tmp_path / "apf-worker"
    file.write_text(files()["/usr/local/sbin/apf-worker"]["content"])
    return file


@pytest.fixture
def of_openstack(script: Path) -> Path:
    script.write_text(files(replace(WORKER, metadata="openstack"))["/usr/local/sbin/apf-worker"]["content"])
    return script


def run(script: Path, metadata: str, tool: str) -> tuple[int, dict[str, str]]:
    """The script with one tool for HTTP on its PATH: its status, and the configuration that it wrote."""
    programs = script.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name in (tool, "tr", "rm", "mv", "sleep", "grep", "head", "cut", "cat", "mkdir"):
        (programs / name).symlink_to(shutil.which(name) or name)
    environment = {"PATH": str(programs), "APF_ROOT": str(script.parent), "APF_METADATA": metadata}
    done = subprocess.run(["/bin/sh", script], env=environment, timeout=60, check=False)
    config = script.parent / "etc/condor/config.d/60-instance.conf"
    lines = config.read_text().splitlines() if config.exists() else []
    return done.returncode, dict(line.split(" = ", 1) for line in lines)


def test_there_is_a_tool_to_try_it_with() -> None:
    assert TOOLS


@pytest.mark.parametrize("tool", TOOLS)
def test_a_worker_learns_its_name_from_a_service_that_wants_a_token(script: Path, tool: str) -> None:
    with MetadataService() as service:
        status, config = run(script, service.add("i-0abc", ANSWERS), tool)
    assert status == 0
    assert config["CloudInstanceID"] == '"i-0abc"'
    assert config["NETWORK_HOSTNAME"] == "i-0abc.spot.prod"
    assert config["CloudInterruptible"] == "true"
    assert config["DAEMON_LIST"] == "MASTER, STARTD"


@pytest.mark.parametrize("tool", TOOLS)
def test_an_answer_cannot_bring_configuration_along(script: Path, tool: str) -> None:
    with MetadataService() as service:
        _, config = run(script, service.add("i-0abc", ANSWERS), tool)
    assert config["CloudVMType"] == '"m5largeSTARTtrue"'
    assert "START" not in config


@pytest.fixture
def old_service() -> Iterator[str]:
    """A metadata service that knows no session tokens, as some private clouds have."""

    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = ANSWERS.get(self.path.removeprefix("/latest/"), "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_service_that_knows_no_tokens_does_too(script: Path, tool: str, old_service: str) -> None:
    status, config = run(script, old_service, tool)
    assert (status, config["CloudInstanceID"], config["CloudRegion"]) == (0, '"i-0abc"', '""')


UUID = "5dbaa9c2-3c0e-4d2b-8f59-6f1f0a3d2b11"
META_DATA = f'''{{"uuid": "{UUID}", "meta": {{"apf:cloud": "academic"}}, "hostname": "x", "devices":
 [{{"uuid": "00000000-0000-0000-0000-000000000000"}}], "availability_zone": "nova"}}'''
PROGRAMS = {  # of a machine with a config drive, which only root can mount
    "blkid": "echo /dev/sr0",
    "mount": 'mkdir -p "$4/openstack/latest" && echo "$DRIVE" >"$4/openstack/latest/meta_data.json"',
    "umount": "rm $1/openstack/latest/meta_data.json",
}


@pytest.fixture
def openstacks_service() -> Iterator[str]:
    """Nova's: its own JSON, EC2's paths with EC2's kind of id, and no session tokens."""
    answers = {"openstack/latest/meta_data.json": META_DATA}
    answers |= {f"latest/{path}": text for path, text in ANSWERS.items()}

    class Nova(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path.lstrip("/"), "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Nova) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("tool", TOOLS)
def test_on_openstack_a_worker_is_called_as_nova_calls_its_server(
    of_openstack: Path, tool: str, openstacks_service: str
) -> None:
    status, config = run(of_openstack, openstacks_service, tool)
    assert (status, config["CloudInstanceID"]) == (0, f'"{UUID}"')
    assert config["NETWORK_HOSTNAME"] == f"{UUID}.spot.prod"
    assert config["CloudZone"] == '"us-east-1a"'


@pytest.mark.parametrize("tool", TOOLS)
def test_without_a_metadata_service_it_asks_its_config_drive(of_openstack: Path, tool: str) -> None:
    programs = of_openstack.parent / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\nDRIVE='{META_DATA}'\n{text}\n")
        (programs / name).chmod(0o755)
    status, config = run(of_openstack, "http://127.0.0.1:9", tool)
    assert (status, config["CloudInstanceID"]) == (0, f'"{UUID}"')


@pytest.mark.parametrize("tool", TOOLS)
def test_without_an_answer_there_is_no_worker_and_an_old_name_is_gone(script: Path, tool: str) -> None:
    patient = script.read_text()
    assert "-lt 60 ]" in patient
    script.write_text(patient.replace("-lt 60 ]", "-lt 1 ]"))
    (script.parent / "etc/condor/config.d/60-instance.conf").write_text('CloudInstanceID = "i-old"\n')
    status, config = run(script, "http://127.0.0.1:9", tool)
    assert status == 1
    assert config == {}


def test_a_jobs_home_is_kept_where_it_can_be_written_to(tmp_path: Path) -> None:
    wrapper = tmp_path / "apf-job"
    wrapper.write_text(files()["/usr/local/libexec/apf-job"]["content"])
    for home, expected in ((str(tmp_path), str(tmp_path)), ("/nonexistent", "/scratch"), ("", "/scratch")):
        environment = {**os.environ, "HOME": home, "_CONDOR_SCRATCH_DIR": "/scratch"}
        said = subprocess.run(
            ["/bin/sh", wrapper, "/bin/sh", "-c", 'echo "$HOME" "$1"', "-", "a b"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert said.stdout == f"{expected} a b\n"
