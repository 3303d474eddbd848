"""The active configuration: one for all hosts, with a generation that grows."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.config.changes import changes
from actors.config.schema import Config
from actors.host.host import Host
from actors.store.active_config import NotServable, activate, clouds_of, planned, says_the_same, shared, with_shared
from broker.connection.address import Site
from broker.rows.document import Document, Edition
from broker.rows.table import Table


def config(**changes: Any) -> Config:
    plain: dict[str, Any] = {
        "factory": {"name": "test", "redis": "redis://here:6379/0"},
        "pools": {"local": {"kind": "htcondor", "collector": "cm"}},
        "accounts": {"aws": {"kind": "ec2", "access_key_id": "env:KEY"}},
        "clouds": {"private": cloud(), "spot": cloud(account="aws", usd_per_hour=0.1)},
        "queues": {"atlas": {"pool": "local", "jobs": "true", "cascade": [["private"], ["spot"]]}},
    }
    return Config.model_validate(plain | changes)


def cloud(**more: Any) -> dict[str, Any]:
    shape = {"cpus": 1, "memory_mib": 512}
    return {"kind": "ec2", "region": "r", "image": "i", "instance_type": "t", "shape": shape, "max_vms": 2, **more}


def without_spot() -> Config:
    queue = {"pool": "local", "jobs": "true", "cascade": [["private"]]}
    return config(clouds={"private": cloud()}, queues={"atlas": queue}, accounts={})


@pytest.fixture
def document(site: Site) -> Document:
    return Document(site.client(), site, "config")


def test_the_shared_part_comes_back_on_a_host_with_another_redis_url() -> None:
    own = config(factory={"name": "test", "redis": "redis://there:6379/0", "directory": "/var/lib/apf"})
    served = with_shared(own, shared(config()))
    assert served.clouds == config().clouds
    assert (served.factory.redis, served.factory.directory) == ("redis://there:6379/0", "/var/lib/apf")


def test_hosts_with_the_same_shared_part_have_the_same_text() -> None:
    assert shared(config()) == shared(config(factory={"name": "test", "redis": "redis://there:6379/0"}))


def test_a_key_that_this_version_does_not_know_is_not_servable() -> None:
    newer = shared(config()).replace(b'"max_vms"', b'"most_vms"')
    with pytest.raises(NotServable, match="most_vms"):
        with_shared(config(), newer)


def test_a_host_that_another_was_a_moment_ahead_of_serves_what_that_one_applied(
    site: Site, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hosts that started together once all read "none", and two of them died of the third one's write."""
    client, own = site.client(), config(factory={"name": "test", "redis": "redis://there:6379/0"})

    class Late(Document):
        reads = 0

        def read(self) -> Edition | None:
            self.reads += 1
            return super().read() if self.reads > 2 else None

    activate(document, config(), (), "the first")
    host = Host(own, "late")
    host._document = Late(client, site, "config")
    host._ground = SimpleNamespace(table=Table(client, site))  # type: ignore[assignment]
    monkeypatch.setattr(Host, "_works_of", lambda _, edition: (edition.number, edition.by))
    assert host._first_works() == (1, "the first")


@pytest.mark.parametrize(
    ("by", "served"),
    [("ada@desk", {"private"}), ("here#12ab", {"private", "spot"})],
    ids=["a person's stays", "a host's own is replaced"],
)
def test_an_old_file_and_a_restart_do_not_undo_what_a_person_applied(
    site: Site, document: Document, monkeypatch: pytest.MonkeyPatch, by: str, served: set[str]
) -> None:
    host = Host(config(factory={"name": "test", "redis": "embedded"}), "here")
    host._document = document
    host._ground = SimpleNamespace(table=Table(site.client(), site))  # type: ignore[assignment]
    monkeypatch.setattr(Host, "_works_of", lambda _, edition: set(clouds_of(edition)))
    activate(document, config(), (), "here#1")
    activate(document, without_spot(), (), by)
    assert host._first_works() == served


def test_what_a_shape_is_made_to_is_told_with_the_keys_of_the_file() -> None:
    common = cloud(kind="ec2", family={"name": "spot", "max_vms": 9})
    small = {**common, "shape": {"cpus": 1, "memory_mib": 512}, "usd_per_hour": 0.1}
    large = {**common, "shape": {"cpus": 4, "memory_mib": 512}, "usd_per_hour": 0.2}
    queue = {"atlas": {"pool": "local", "jobs": "true", "cascade": [["spot-small", "spot-large"]]}}
    before = shared(config(clouds={"spot-small": small, "spot-large": large}, queues=queue))
    more = {"family": {"name": "spot", "max_vms": 8}, "image": "j"}
    smaller = {"shape": {"cpus": 1, "memory_mib": 512}}
    after = shared(config(clouds={"spot-small": small | more, "spot-large": large | more | smaller}, queues=queue))
    assert changes(before, after) == [
        '  clouds.spot.image: "i" -> "j"',
        "  clouds.spot.max_vms: 9 -> 8",
        "  clouds.spot.shapes.large.shape.cpus: 4 -> 1",
    ]


def test_a_change_of_one_key_names_its_whole_path_and_no_key_that_nobody_wrote() -> None:
    before = shared(config(clouds={"private": cloud(shape={"cpus": 4, "memory_mib": 512}), "spot": cloud()}))
    after = shared(config(clouds={"private": cloud(), "spot": cloud(weight=2.0)}))
    assert changes(before, after) == ["  clouds.private.shape.cpus: 4 -> 1", "+ clouds.spot.weight = 2.0"]
    assert changes(after, before)[1] == "- clouds.spot.weight = 2.0"
    assert changes(after, after) == []
    assert not any("rhythm" in line for line in changes(b"", after))


def test_what_is_no_configuration_is_told_as_none() -> None:
    assert changes(b"[]", shared(config())) == changes(b"", shared(config())) == changes(b"{", shared(config()))


def test_the_first_configuration_is_generation_one_and_the_same_again_changes_nothing(document: Document) -> None:
    assert activate(document, config(), (), "ada")[0] == 1
    assert activate(document, config(), (), "ada") == (1, [])


def test_a_change_is_shown_and_makes_the_next_generation(document: Document) -> None:
    activate(document, config(), (), "ada")
    generation, changed = activate(document, config(clouds={"private": cloud(max_vms=5), "spot": cloud()}), (), "ada")
    assert generation == 2
    assert "  clouds.private.max_vms: 2 -> 5" in changed


def test_a_cloud_that_is_left_out_and_still_has_vms_is_retired_with_its_account(document: Document) -> None:
    activate(document, config(), (), "ada")
    activate(document, without_spot(), ["spot"], "ada")
    edition = document.read()
    assert edition is not None
    served = with_shared(without_spot(), edition.body)
    assert (served.clouds["spot"].retired, served.clouds["spot"].max_vms) == (True, 0)
    assert "aws" in served.accounts
    assert served.pools_of("spot") == ("local",)


def test_a_cloud_that_is_left_out_and_has_no_vm_is_forgotten(document: Document) -> None:
    activate(document, config(), (), "ada")
    activate(document, without_spot(), (), "ada")
    assert clouds_of(document.read()) == ["private"]


def test_a_retired_cloud_is_forgotten_when_its_last_vm_has_ended(document: Document) -> None:
    activate(document, config(), (), "ada")
    activate(document, without_spot(), ["spot"], "ada")
    assert b"spot" not in planned(document.read(), without_spot(), ())


def test_a_host_that_restarts_with_the_applied_file_serves_on_while_a_retired_cloud_is_drained(
    document: Document,
) -> None:
    activate(document, config(), (), "ada")
    activate(document, without_spot(), ["spot"], "ada")
    edition = document.read()
    assert edition is not None
    assert edition.body != shared(without_spot())
    assert says_the_same(without_spot(), edition)
    assert not says_the_same(config(), edition)
