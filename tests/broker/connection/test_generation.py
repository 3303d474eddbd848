"""Loss of data is noticed, once, by each process that knew the data."""

import time
from pathlib import Path

import pytest

from broker.connection.address import Site
from broker.connection.embedded import EmbeddedServer
from broker.connection.generation import DataLost, Generation, Restarted, Same, unbroken_since
from broker.errors import Unreachable


def test_the_first_process_finds_nothing_and_the_next_finds_what_it_made(site: Site) -> None:
    first, second = Generation(site.client(), site), Generation(site.client(), site)
    made = first.check()
    assert isinstance(made, DataLost)
    assert first.check() == Same(generation=made.generation)
    assert second.check() == Same(generation=made.generation)


def test_a_generation_that_is_gone_is_told_once_to_everyone(site: Site) -> None:
    watchers = [Generation(site.client(), site) for _ in range(2)]
    before = [watcher.check().generation for watcher in watchers]
    site.client().delete(site.key("generation"))
    for watcher in watchers:
        found = watcher.check()
        assert isinstance(found, DataLost)
        assert found.generation != before[0]
        assert watcher.check() == Same(generation=found.generation)


def test_a_restarted_server_with_our_data_is_told_from_an_empty_one(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    site = Site(address=server.start(), factory="f")
    watcher = Generation(site.client(), site)
    generation = watcher.check().generation
    server.stop()
    with pytest.raises(Unreachable):
        watcher.check()
    server.start()
    found = watcher.check()
    assert isinstance(found, Restarted)
    assert found.generation == generation
    assert isinstance(watcher.check(), Same)
    site.client().flushall()
    assert isinstance(watcher.check(), DataLost)
    server.stop()


def test_since_when_nothing_was_lost_is_known_to_all_and_begins_anew_with_other_data_or_another_server(
    tmp_path: Path,
) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    site = Site(address=server.start(), factory="f")
    assert unbroken_since(site.client(), site) == 0.0
    watcher, client = Generation(site.client(), site), site.client()
    watcher.check()
    first = unbroken_since(client, site)
    assert abs(first - time.time()) < 60
    for lose in (client.flushall, lambda: (server.stop(), server.start())):
        run_id = client.info("server")["run_id"]
        client.set(site.key("unbroken"), f"{run_id} 1000")
        watcher.check()
        assert unbroken_since(client, site) == 1000, "it is the same one"
        lose()
        watcher.check()
        assert unbroken_since(client, site) >= first
    client.set(site.key("unbroken"), "garbage")
    assert unbroken_since(client, site) == 0.0
    client.delete(site.key("unbroken"))
    client.lpush(site.key("unbroken"), "x")
    assert unbroken_since(client, site) == 0.0
    assert watcher.mend({}) == ["unbroken"]
    watcher.check()
    assert unbroken_since(client, site) >= first
    server.stop()
