"""Clouds of kind "openstack", against a real one (APF_OPENSTACK=real: `make test-openstack`) or its stored answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from actors.clouds.openstack import cloud as cloud_module
from actors.clouds.openstack.cloud import OpenStack
from actors.clouds.openstack.link import OpenStackLink
from actors.clouds.openstack.request import ServerMarks
from actors.config.openstack import OpenStackAccount, OpenStackCloud
from deploy.lab.openstack.lab import OpenStackLab
from tests.actors.clouds import conformance
from tests.actors.clouds.openstack import stored
from tests.actors.clouds.openstack.proxy import Proxy, RealServices
from tests.late import within

MakeOpenStack = Callable[..., OpenStack]
REAL = os.environ.get("APF_OPENSTACK") == "real"
DIRECTORY = Path(os.environ.get("APF_OPENSTACK_LAB", ".lab/openstack"))


@pytest.fixture(scope="session")
def openstack_lab() -> Iterator[OpenStackLab | None]:
    """None where stored answers do. APF_OPENSTACK_UP: it runs already, in `DIRECTORY`."""
    lab = OpenStackLab(DIRECTORY)
    if not REAL or os.environ.get("APF_OPENSTACK_UP"):
        yield lab if REAL else None
        return
    with lab:
        yield lab


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored answers need no time."""
    if not REAL:
        monkeypatch.setattr(cloud_module, "LOOK_S", 0.01)


@pytest.fixture(autouse=True)
def factory(request: pytest.FixtureRequest) -> str:
    """Of each test, and the same in each run: so its requests are those whose answers were stored."""
    name = f"f-{hashlib.sha256(_name(request).encode()).hexdigest()[:12]}"
    conformance.TOKENS_OF[:] = [name]
    return name


def _name(request: pytest.FixtureRequest) -> str:
    return request.node.nodeid.rpartition("/")[2]


@pytest.fixture
def proxy(request: pytest.FixtureRequest, openstack_lab: OpenStackLab | None) -> Iterator[Proxy]:
    if openstack_lab is None:
        backend: stored.Stored | stored.Recorder = stored.Stored(stored.read().get(_name(request), {}))
        with Proxy(backend) as proxy:
            backend.proxy_url = proxy.url
            yield proxy
        return
    real = RealServices(services(openstack_lab))
    backend = stored.Recorder(real, dict(zip(openstack_lab.application_credential, stored.CREDENTIAL, strict=True)))
    with Proxy(backend) as proxy:
        backend.proxy_url = real.proxy_url = proxy.url
        yield proxy
    if not request.session.testsfailed:
        stored.write({_name(request): backend.exchanges})


def services(lab: OpenStackLab) -> dict[str, str]:
    ports = lab.ports
    urls = {"keystone": ports.keystone, "glance": ports.glance, "neutron": ports.neutron, "nova": ports.nova}
    return {name: f"http://{urlsplit(url).netloc}" for name, url in urls.items()}


@pytest.fixture
def credential(openstack_lab: OpenStackLab | None) -> tuple[str, str]:
    return openstack_lab.application_credential if openstack_lab else stored.CREDENTIAL


def settings(**changes: object) -> OpenStackCloud:
    known = {"kind": "openstack", "image": "fake-image", "flavor": "m1.tiny", "networks": ["private"], "max_vms": 9}
    shape = {"cpus": 1, "memory_mib": 512}
    return OpenStackCloud.model_validate({**known, "shape": shape, "timeout_s": 30, **changes})


def account(proxy: Proxy, **changes: object) -> OpenStackAccount:
    known = {"kind": "openstack", "auth_url": f"{proxy.url}/keystone/v3"}
    secrets = {"application_credential_id": "env:ID", "application_credential_secret": "env:SECRET"}
    return OpenStackAccount.model_validate({**known, **secrets, **changes})


@pytest.fixture
def make_openstack(proxy: Proxy, factory: str, credential: tuple[str, str]) -> Iterator[MakeOpenStack]:
    """make_openstack(name, secrets={...}, account={...}, siblings=..., **settings): a cloud of this test's factory."""
    made: list[OpenStack] = []
    known = dict(zip(("env:ID", "env:SECRET"), credential, strict=True))

    def make(
        name: str = "academic",
        secrets: dict[str, str] | None = None,
        account_of: OpenStackAccount | None = None,
        siblings: frozenset[str] = frozenset(),
        **changes: object,
    ) -> OpenStack:
        reveal = (known | (secrets or {})).__getitem__
        marks = ServerMarks(factory=factory, cloud=name)
        cloud = OpenStack(marks, settings(**changes), account_of or account(proxy), reveal, siblings)
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        cloud.close()


@pytest.fixture
def link(proxy: Proxy, credential: tuple[str, str]) -> Iterator[OpenStackLink]:
    """To the same project, for what a test does from outside."""
    known = dict(zip(("env:ID", "env:SECRET"), credential, strict=True))
    link = OpenStackLink(account(proxy), None, known.__getitem__, 30.0)
    yield link
    link.close()


@pytest.fixture
def power_off(link: OpenStackLink) -> conformance.PowerOff:
    """What a guest's own power-off is to Nova: the server is stopped, and stays."""

    def status(id_: str) -> str:
        return str(link.get("compute", f"/servers/{id_}")["server"]["status"])

    def off(id_: str) -> None:
        within(20, f"{id_} runs", lambda: status(id_) == "ACTIVE")
        link.call("compute", "POST", f"/servers/{id_}/action", body={"os-stop": None})
        within(20, f"{id_} is stopped", lambda: status(id_) == "SHUTOFF")

    return off
