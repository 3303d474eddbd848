"""What a person reads on the pages, and that nothing which workers or jobs wrote is more than text there."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from actors.fleet.drain_and_hold import VmHold
from actors.fleet.vm import State
from actors.fleet.want import CloudView, Want
from actors.store.readings import HEAD
from actors.store.wants import QueueStanding
from actors.web import pages
from actors.web.access import COOKIE
from actors.web.tokens import Right, TokenFile
from tests.actors.console.factory_rows import Rows

EVIL = "<script>alert(1)</script>\x1b[31m{{ 7 * 7 }}"
OURS = {"Origin": "http://127.0.0.1:9619"}


@pytest.fixture
def fleet(rows: Rows) -> Rows:
    rows.host()
    rows.hold("pool/local", "cloud/private", "cloud/spot", "queue/atlas")
    rows.write("fleet", "cloud/spot", HEAD, CloudView(cloud="spot", at=rows.now(), room=1, closed="no capacity"))
    standing = QueueStanding(known=True, idle=7, running=3, waiting=7, why=("7 waiting and 3 running jobs",))
    rows.write("standing", "queue/atlas", HEAD, standing)
    want = Want(queue="atlas", cloud="private", n=2, reasons=("7 waiting",), decision="d-1", at=rows.now())
    rows.write("want", "queue/atlas", "private", want)
    return rows


@pytest.fixture
def ada(here: TestClient, tokens: TokenFile) -> TestClient:
    """Logged in, in her own browser."""
    here.cookies.set(COOKIE, tokens.add("ada", [Right.READ, Right.WISH]))
    here.headers.update(OURS)
    return here


@pytest.mark.usefixtures("fleet")
def test_the_overview_says_what_is_wrong_what_waits_and_how_clouds_stand(here: TestClient) -> None:
    page = here.get("/").text
    for said in ("What is wrong", "7 waiting and 3 running jobs", "2 of private", "no capacity"):
        assert said in page


def test_a_queue_a_cloud_and_a_vm_have_pages_of_their_own(here: TestClient, fleet: Rows) -> None:
    vm = fleet.vm("private", State.READY)
    assert "7 waiting and 3 running jobs" in here.get("/queues/atlas").text
    assert "no capacity" in here.get("/clouds/spot").text
    for name in (vm.id, vm.instance_id):
        assert "made for a test" in here.get(f"/vms/{name}").text
    assert "host" in here.get("/hosts").text


@pytest.mark.parametrize("path", ["/queues/cms", "/clouds/nowhere", "/vms/x-99", "/nothing"])
@pytest.mark.usefixtures("fleet")
def test_what_is_not_there_is_said_with_what_is(here: TestClient, path: str) -> None:
    answer = here.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


SAID = ({"reason": EVIL}, {"machine": EVIL}, {"hold": VmHold(why=EVIL)})


@pytest.mark.parametrize("said", SAID, ids=min)
def test_markup_escapes_and_templates_that_outsiders_wrote_are_text(
    here: TestClient, fleet: Rows, said: dict[str, Any]
) -> None:
    vm = fleet.vm("private", State.READY, **said)
    for path in ("/vms", f"/vms/{vm.id}", "/"):
        page = here.get(path).text
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert "49" not in re.findall(r"\[31m\S*", page)
    assert here.get("/vms", params={"text": '"><script>alert(1)</script>'}).text.count("<script>alert") == 0


def test_many_vms_are_sorted_filtered_and_paged_by_the_server(here: TestClient, fleet: Rows) -> None:
    for n in range(130):
        fleet.vm("spot" if n % 2 else "private", State.READY, usd_per_hour=n / 1000)
    first = here.get("/vms", params={"sort": "price"}).text
    assert first.count('<th scope="row">') == pages.A_PAGE
    assert first.index("x-130<") < first.index("x-129<")
    assert here.get("/vms", params={"sort": "price", "page": 2}).text.count('<th scope="row">') == 30
    assert "65 VMs" in here.get("/vms", params={"cloud": "spot"}).text
    assert here.get("/vms", params={"sort": "colour"}).status_code == 422
    assert here.get("/vms", params={"page": "99999999999999999999"}).status_code in (200, 422)


def test_a_wish_is_shown_before_it_is_sent(ada: TestClient, fleet: Rows) -> None:
    vm = fleet.vm("private", State.READY)
    page = ada.post("/wishes", data={"verb": "drain", "selector": "vm", "name": vm.id, "reason": "<b>why</b>"})
    assert page.status_code == 200
    assert "Drain vm" in page.text
    assert 'value="&lt;b&gt;why&lt;/b&gt;"' in page.text


def test_a_kill_goes_nowhere_without_the_typed_name(
    ada: TestClient, fleet: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "WAIT_S", 0.0)
    vm = fleet.vm("private", State.READY)
    kill = {"verb": "kill", "selector": "vm", "name": vm.id, "reason": "broken", "sure": "yes"}
    assert "Type <strong>" in ada.post("/wishes", data=kill).text
    sent = ada.post("/wishes", data={**kill, "typed": vm.id}, follow_redirects=False)
    assert sent.status_code == 303


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"verb": "explode"}, {"selector": "moon"}, {"life_h": "soon"}, {"life_h": "nan"}, {"id": "x"}],
)
@pytest.mark.usefixtures("fleet")
def test_a_wish_that_cannot_be_said_is_refused_with_what_is_wrong(ada: TestClient, wrong: dict[str, str]) -> None:
    said = {"verb": "hold", "selector": "cloud", "name": "spot", "reason": "a look", "sure": "yes"}
    answer = ada.post("/wishes", data={**said, **wrong})
    assert answer.status_code == 422
    assert "cannot be wished" in answer.text


@pytest.mark.usefixtures("fleet")
def test_a_first_view_is_small(here: TestClient) -> None:
    """As it comes over the wire uncompressed: the page, its style and its scripts."""
    paths = ["/", *re.findall(r'(?:href|src)="(/static/[^"]+)"', here.get("/").text)]
    assert len(paths) == 4
    assert sum(len(here.get(path).content) for path in paths) < 150_000
