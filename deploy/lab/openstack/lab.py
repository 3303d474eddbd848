"""Keystone, Placement and Nova as three processes of an ordinary user: no queue, no database server, no hypervisor.

    with OpenStackLab(Path(".lab/openstack")) as lab:
        lab.clouds_yaml, lab.ports.nova

Nova's fake driver says that a server runs and runs nothing; what Nova asks of Glance and Neutron is answered by a small
stand-in. The environment takes a minute to install and 400 MB; the first start 25 s, later ones 6 s. Each start begins
with what the lab is born with: servers of an earlier one are gone. By hand: `python -m deploy.lab.openstack.lab`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from deploy.lab import keeper
from deploy.lab.openstack import seed, settings
from deploy.lab.openstack.settings import SECRET, Ports

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START_S = 120.0
PORT = 35_000
PARTS = (("keystone",), ("placement", "stand_ins"), ("nova",))  # the parts of each process; each waits for the last
# of root, Keystone wants to know whose its keys shall be
AS_ROOT = ("--keystone-user", "root", "--keystone-group", "root") if os.geteuid() == 0 else ()
PLACES = {"keystone": 0, "placement": 1, "nova": 4}


class LabFailed(Exception):
    """A part did not come up. What it said last is in the message."""


class OpenStackLab:
    """`directory` keeps the environment and the state; two labs at once need two directories and other ports."""

    def __init__(self, directory: Path, first_port: int = PORT) -> None:
        self.directory = directory.resolve()
        self.ports = Ports(first=first_port)
        self._venv, self._etc = self.directory / "venv", self.directory / "etc"
        self._run, self._born = self.directory / "run", self.directory / f"born-{first_port}"
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def clouds_yaml(self) -> Path:
        """With the clouds `appcred` (an application credential), `demo`, `tiny` (two servers at most) and `admin`."""
        return self._run / "clouds.yaml"

    @property
    def application_credential(self) -> tuple[str, str]:
        found = json.loads((self._run / "credential.json").read_text())
        return str(found[0]), str(found[1])

    def __enter__(self) -> OpenStackLab:
        self.install()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def install(self) -> None:
        """The environment, once."""
        if (self._venv / "installed").exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(self._venv)], check=True)
        pip = [str(self._venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(HERE / "requirements.lock")], check=True)
        (self._venv / "installed").touch()

    def start(self) -> None:
        if taken := [port for port in range(self.ports.first, self.ports.first + 5) if _answers(_url(port))]:
            raise LabFailed(f"ports {taken} are taken: is another one up? Its state would be lost")
        shutil.rmtree(self._run, ignore_errors=True)
        fresh = not (self._born / "made").exists()
        if not fresh:
            shutil.copytree(self._born, self._run)
        for folder in ("log", "lock", "instances"):
            (self._run / folder).mkdir(parents=True, exist_ok=True)
        settings.write(self._etc, self._run, self.ports)
        shutil.copy(self._venv / "etc/nova/api-paste.ini", self._etc)
        if fresh:
            self._make_databases()
        self._serve_all(fresh)
        self._await_compute()

    def stop(self) -> None:
        children, self._children = self._children, []
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _serve_all(self, fresh: bool) -> None:
        for parts in PARTS:
            self._serve(parts)
            if fresh and parts == ("keystone",):
                seed.keystone(self.ports)
        if fresh:
            self._manage("nova", "cell_v2", "discover_hosts")
            self._write_clouds(*seed.nova(self.ports))
            self._keep()

    def _keep(self) -> None:
        """What it is born with, for later starts; the databases are at rest only while nothing serves them."""
        self.stop()
        shutil.rmtree(self._born, ignore_errors=True)
        shutil.copytree(self._run, self._born)
        (self._born / "made").touch()
        self._serve_all(fresh=False)

    def _make_databases(self) -> None:
        url = self.ports.keystone
        self._manage("keystone", "db_sync")
        for keys in ("fernet_setup", "credential_setup"):
            self._manage("keystone", keys, *AS_ROOT)
        urls = [f"--bootstrap-{kind}-url={url}" for kind in ("public", "internal", "admin")]
        self._manage(
            "keystone", "bootstrap", "--bootstrap-password", SECRET, "--bootstrap-region-id", "RegionOne", *urls
        )
        self._manage("placement", "db", "sync")
        self._manage("nova", "api_db", "sync")
        self._manage("nova", "cell_v2", "map_cell0", "--database_connection", f"sqlite:///{self._run}/nova_cell0.db")
        self._manage("nova", "db", "sync")
        self._manage("nova", "cell_v2", "create_cell", "--name", "cell1")

    def _manage(self, what: str, *arguments: str) -> None:
        command = [str(self._venv / f"bin/{what}-manage"), "--config-file", str(self._etc / f"{what}.conf"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabFailed(f"{what}-manage {' '.join(arguments)}: {(done.stderr or done.stdout)[-2000:]}")

    def _serve(self, parts: tuple[str, ...]) -> None:
        said = self._run / "log" / f"{parts[0]}.out"
        command = [str(self._venv / "bin/python"), str(HERE / "inside/serve.py"), *parts]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTHON"))},
            "OSLAB_ETC": str(self._etc),
            "OSLAB_PORT": str(self.ports.first),
        }
        with said.open("ab") as file:
            kept = keeper.command(os.getpid(), -1, -1, command)
            child = subprocess.Popen(
                kept, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
            )
        self._children.append(child)
        self._await(_url(self.ports.first + PLACES[parts[0]]), child, said)

    def _await(self, url: str, child: subprocess.Popen[bytes], said: Path) -> None:
        deadline = time.monotonic() + START_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                raise LabFailed(f"nothing answers at {url}; {said.name} ends with: {said.read_text()[-2000:]}")
            time.sleep(0.1)

    def _await_compute(self) -> None:
        """Nova has a compute service for down whose last word is old, as it is after a start from what was kept."""
        compute, deadline = seed.connect(self.ports, "admin").compute, time.monotonic() + START_S
        while not any(one.binary == "nova-compute" and one.state == "up" for one in compute.services()):
            if time.monotonic() > deadline:
                raise LabFailed("nova-compute is not up")
            time.sleep(0.2)

    def _write_clouds(self, credential: str, secret: str) -> None:
        (self._run / "credential.json").write_text(json.dumps([credential, secret]))
        url = self.ports.keystone
        application = {
            "auth_url": url,
            "application_credential_id": credential,
            "application_credential_secret": secret,
        }
        clouds: dict[str, object] = {
            "appcred": {"region_name": "RegionOne", "auth_type": "v3applicationcredential", "auth": application}
        }
        for name in ("admin", *seed.QUOTAS):
            domains = {"user_domain_id": "default", "project_domain_id": "default"}
            auth = {"auth_url": url, "username": name, "password": SECRET, "project_name": name, **domains}
            clouds[name] = {"region_name": "RegionOne", "auth": auth}
        self.clouds_yaml.write_text(json.dumps({"clouds": clouds}, indent=1))  # JSON is YAML


def _url(port: int) -> str:
    return f"http://{settings.HOST}:{port}/"


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def main() -> None:
    with OpenStackLab(Path(".lab/openstack")) as lab:
        sys.stdout.write(f"Keystone at {lab.ports.keystone}, clouds in {lab.clouds_yaml}; Ctrl-C ends it\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
