"""`apf owners`: who holds what, in a real Redis."""

import json
import time

import pytest

from broker.connection.address import Site
from tests.actors.console.factory_file import FactoryFile, said
from tests.actors.console.factory_rows import Rows
from tests.broker.post import wait_for


def owners(file: FactoryFile) -> dict:  # type: ignore[type-arg]
    result = file.apf("owners", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_before_any_host_every_post_is_named_as_unowned(file: FactoryFile) -> None:
    seen = owners(file)
    assert seen["unowned"] == ["pool/local", "cloud/private", "cloud/spot", "queue/atlas"]
    assert (seen["hosts"], seen["generation"]) == ([], 0)
    assert "nobody holds pool/local, cloud/private, cloud/spot, queue/atlas" in said(file.apf("owners"))


def test_a_held_post_shows_its_holder_its_fence_and_since_when(file: FactoryFile, rows: Rows) -> None:
    rows.host()
    term = rows.term("cloud/spot")
    seen = owners(file)
    (post,) = [one for one in seen["posts"] if one["post"] == "cloud/spot"]
    assert (post["holder"], post["fence"]) == (term.holder, term.fence)
    assert 0 <= seen["at"] - post["since_at"] < 30
    assert 0 < post["ends_in_s"] <= 60
    (host,) = seen["hosts"]
    assert (host["name"], host["holds"], host["alive"], host["version"]) == (term.holder, 1, True, "1.0")
    assert term.holder in said(file.apf("owners"))


def test_a_post_that_the_file_does_not_know_is_shown_while_somebody_holds_it(file: FactoryFile, rows: Rows) -> None:
    rows.hold("queue/theirs")
    assert "queue/theirs" in [post["post"] for post in owners(file)["posts"]]
    rows.leases.release(rows.term("queue/theirs"))
    assert "queue/theirs" not in [post["post"] for post in owners(file)["posts"]]


def test_the_generation_and_who_set_it_are_shown(file: FactoryFile) -> None:
    file.apf("apply", "--yes")
    seen = owners(file)
    assert seen["generation"] == 1
    assert "@" in seen["generation_by"]
    assert abs(seen["at"] - seen["generation_at"]) < 30


def test_a_host_that_serves_no_generation_is_told_to_hold_nothing(file: FactoryFile, rows: Rows) -> None:
    file.apf("apply", "--yes")
    rows.host()
    assert "holds nothing: its file is not the active configuration" in said(file.apf("owners"))


def test_a_post_that_a_host_leaves_to_others_is_named(file: FactoryFile, rows: Rows) -> None:
    rows.host("cloud/spot")
    (host,) = owners(file)["hosts"]
    assert host["declines"] == ["cloud/spot"]
    assert "leaves cloud/spot to others" in said(file.apf("owners"))


def test_a_silent_host_is_shown_until_its_successor_beats(file: FactoryFile, rows: Rows, site: Site) -> None:
    rows.host()
    client = site.client()
    seconds, _ = client.time()
    client.zadd(site.key("hosts"), {"test#1a2b3c4d": seconds - 100})
    assert "fell silent" in said(file.apf("owners"))
    (host,) = owners(file)["hosts"]
    assert (host["alive"], host["beat_age_s"] >= 100) == (False, True)
    info = json.loads(client.hget(site.key("host-infos"), "test#1a2b3c4d"))
    client.hset(site.key("host-infos"), "test#ffff", json.dumps(info | {"incarnation": "ffff"}))
    client.zadd(site.key("hosts"), {"test#ffff": time.time()})
    wait_for(lambda: [one["name"] for one in owners(file)["hosts"]] == ["test#ffff"])


@pytest.mark.parametrize("command", ["owners", "apply", "wishes"])
def test_a_wrong_file_exits_with_2(file: FactoryFile, command: str) -> None:
    file.path.write_text(file.path.read_text().replace("max_vms", "most_vms"))
    result = file.apf(command)
    assert result.exit_code == 2
    assert "did you mean 'max_vms'" in said(result)


def test_a_redis_that_is_away_is_told_in_one_line(file: FactoryFile, site: Site) -> None:
    port = site.address.nodes[0][1]
    file.path.write_text(file.path.read_text().replace(f":{port}/", ":1/"))
    result = file.apf("owners")
    assert result.exit_code == 1
    assert "Redis is away" in said(result)
    assert "Traceback" not in result.output
