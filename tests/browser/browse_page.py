"""The page in a real Chromium: what a person reads and presses, on a phone's width, zoomed, while Redis is lost.

Not part of `make test`: it needs Debian's chromium and chromium-driver. `make test-page`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By

from actors.config.schema import Config
from actors.console.status_model import Status
from actors.fleet.vm import State
from actors.fleet.want import CloudView, Want
from actors.store.readings import HEAD
from actors.store.wants import QueueStanding
from actors.web.access import Rules
from actors.web.app import make_app
from actors.web.desk import Desk
from actors.web.events import EventLog
from actors.web.serve import Opened
from actors.web.snapshot import Snapshots
from actors.web.tokens import Right, TokenFile
from broker.connection.address import Site
from broker.errors import Unreachable
from tests.actors.console.factory_rows import Rows, config_at
from tests.late import within
from tests.redis_server import redis_address, site

__all__ = ["redis_address", "site"]
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
PAGES = ("/", "/vms", "/hosts", "/wishes", "/queues/atlas", "/clouds/spot", "/vms/x-1", "/login")
SHOTS = os.environ.get("APF_TEST_SHOTS", "")  # a folder for pictures of what was seen


class RowsOrNothing:
    """Reads a factory's rows, as long as Redis is `there`."""

    def __init__(self, config: Config) -> None:
        self._opened, self.there = Opened(config), True

    def read(self) -> Status:
        if not self.there:
            raise Unreachable("connection refused")
        return self._opened.read()


class Page:
    """A served page and a browser on it."""

    def __init__(self, driver: webdriver.Chrome, url: str, source: RowsOrNothing, token: str) -> None:
        self.driver, self.url, self.source, self.token = driver, url, source, token

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, said: str, limit_s: float = 15.0) -> None:
        def there() -> bool:
            with suppress(Exception):  # the element may be swapped under the look
                return said in self.text
            return False

        within(limit_s, f"the page says {said!r}", there, story=lambda: self.text)

    def errors(self) -> list[str]:
        return [one["message"] for one in self.driver.get_log("browser") if one["level"] == "SEVERE"]

    def shot(self, name: str) -> None:
        if SHOTS:
            self.driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


@pytest.fixture
def rows(site: Site) -> Rows:
    made = Rows(site)
    made.host()
    made.hold("pool/local", "cloud/private", "cloud/spot", "queue/atlas")
    made.write(
        "fleet", "cloud/spot", HEAD, CloudView(cloud="spot", at=made.now(), room=1, closed="no capacity: again in 40 s")
    )
    made.write("fleet", "cloud/private", HEAD, CloudView(cloud="private", at=made.now(), room=0))
    why = ("7 waiting and 3 running jobs: 2 new VMs needed",)
    made.write("standing", "queue/atlas", HEAD, QueueStanding(known=True, idle=7, running=3, waiting=4, why=why))
    want = Want(queue="atlas", cloud="private", n=2, reasons=why, decision="d-1", at=made.now(), changed=made.now())
    made.write("want", "queue/atlas", "private", want)
    for _ in range(3):
        made.vm("private", State.READY, usd_per_hour=0.12)
    made.vm("spot", State.DRAINING, reason="<b>atlas</b> wants fewer VMs of spot", usd_per_hour=0.5)
    return made


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, site: Site, rows: Rows, tmp_path: Path) -> Iterator[Page]:
    assert rows.now()  # the factory has rows before it is looked at
    config, tokens, log = config_at(site, tmp_path), TokenFile(tmp_path / "tokens"), EventLog()
    source = RowsOrNothing(config)
    desk = Desk(config=config, rules=Rules(tokens=tokens), snapshots=Snapshots(source.read, log.changed, 0.5), log=log)
    server = uvicorn.Server(uvicorn.Config(make_app(desk), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    within(20, "the page is served", lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    options = webdriver.ChromeOptions()
    for one in (*OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}", "--window-size={},{}".format(*request.param)):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_window_size(*request.param)
    try:
        yield Page(driver, f"http://127.0.0.1:{port}", source, tokens.add("ada", [Right.READ, Right.WISH]))
    finally:
        driver.quit()
        server.should_exit = True
        server.force_exit = True
        thread.join(10)


def test_every_page_opens_without_an_error_and_fits_its_width(page: Page) -> None:
    for path in PAGES:
        page.open(path)
        page.shot(f"{path.strip('/').replace('/', '-') or 'overview'}-{page.driver.get_window_size()['width']}")
        assert page.errors() == [], path
        wide, room = page.driver.execute_script(
            "return [document.body.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= room, f"{path} is wider than the screen: {wide} > {room}"


def test_what_workers_wrote_is_text_and_what_changes_comes_by_itself(page: Page, rows: Rows) -> None:
    page.open("/vms")
    page.shows("<b>atlas</b> wants fewer")
    added = rows.vm("spot", State.BOOTING)
    page.shows(added.id)


def test_redis_is_lost_and_comes_back_and_the_page_says_both(page: Page) -> None:
    page.open("/")
    page.shows("7 waiting and 3 running jobs")
    page.source.there = False
    page.shows("Redis cannot be read: connection refused")
    page.shows("7 waiting and 3 running jobs")
    page.source.there = True
    within(15, "it is not said any more", lambda: "cannot be read" not in page.text)


def test_a_person_logs_in_drains_a_vm_and_is_asked_before(page: Page) -> None:
    page.open("/vms/x-1")
    assert not page.driver.find_elements(By.CSS_SELECTOR, "button[value=drain]")
    page.open("/login")
    page.driver.find_element(By.NAME, "token").send_keys(page.token)
    page.driver.find_element(By.CSS_SELECTOR, "form.wish button").click()
    page.open("/vms/x-1")
    page.driver.find_element(By.NAME, "reason").send_keys("a look at it")
    page.driver.find_element(By.CSS_SELECTOR, "button[value=drain]").click()
    page.shows("Drain vm x-1")
    page.shot(f"sure-{page.driver.get_window_size()['width']}")


def test_all_is_reached_by_keyboard_and_named_for_who_cannot_see(page: Page) -> None:
    """What axe's serious rules ask for, as far as a page without scripts of its own can break them."""
    for path in PAGES:
        page.open(path)
        unnamed = page.driver.execute_script(UNNAMED)
        assert unnamed == [], path
        assert page.driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
        assert len(page.driver.find_elements(By.TAG_NAME, "h1")) == 1
        assert page.driver.title


UNNAMED = """
const named = one => one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim();
return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select')]
  .filter(one => !named(one)).map(one => one.outerHTML);
"""
