"""The page on a real factory: a person drains a busy VM there, sees what came of it, and its job ends in peace."""

import re

import pytest
from fastapi.testclient import TestClient

from actors.fleet.vm import State
from actors.web.access import COOKIE, Rules
from actors.web.app import make_app
from actors.web.desk import Desk
from actors.web.events import EventLog
from actors.web.serve import Opened
from actors.web.snapshot import Snapshots
from actors.web.tokens import Right, TokenFile
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab


def browser(factory: Factory) -> TestClient:
    """Logged in as one who may wish."""
    tokens, log = TokenFile(factory.directory / "tokens"), EventLog()
    snapshots = Snapshots(Opened(factory.config).read, log.changed)
    app = make_app(Desk(config=factory.config, rules=Rules(tokens=tokens), snapshots=snapshots, log=log))
    client = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5), follow_redirects=True)
    client.cookies.set(COOKIE, tokens.add("ada", [Right.READ, Right.WISH]))
    client.headers["Origin"] = "http://127.0.0.1"
    return client


def test_a_vm_is_drained_from_its_page_and_the_page_tells_its_life(
    make_factory: MakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = make_factory(clouds={"spot": {"max_vms": 0}})
    monkeypatch.setenv("APF_TEST_REDIS", factory.redis.address.password or "")
    factory.submit(1, gate=factory.gate())
    factory.host().start()
    factory.until_running(1)
    vm = factory.vms("", State.READY)[0]
    page = browser(factory)
    assert vm.id in page.get("/vms").text
    form = {"verb": "drain", "selector": "vm", "name": vm.id, "reason": "from the page"}
    assert "Drain vm" in page.post("/wishes", data=form).text
    told = page.post("/wishes", data={**form, "sure": "yes"}).text
    assert re.search(r'role="status">[0-9a-f]+ accepted', told)
    factory.until(lambda: factory.vms("", State.DRAINING), "it drains", 20)
    life = page.get(f"/vms/{vm.id}").text
    assert "from the page" in life
    assert "ada" in life
    factory.until_done()
    factory.judge()
    assert "ended" in page.get(f"/vms/{vm.instance_id}").text
