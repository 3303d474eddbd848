"""`apf apply`: the difference is shown, then it is active; nothing that runs is forgotten."""

import json
import tomllib

import pytest

from actors.config.load import load
from actors.console import apply
from actors.console.opened import store
from actors.fleet.vm import State
from actors.store.active_config import NAME, shared
from broker.connection.address import Site
from broker.errors import StaleRow
from broker.rows.document import Document
from tests.actors.console.factory_file import FactoryFile, said
from tests.actors.console.factory_rows import Rows


def document(site: Site) -> Document:
    return Document(site.client(), site, NAME)


def active(site: Site) -> dict:  # type: ignore[type-arg]
    edition = document(site).read()
    assert edition is not None
    return json.loads(edition.body)


def test_the_first_one_is_shown_whole_and_becomes_generation_1(file: FactoryFile, site: Site) -> None:
    result = file.apf("apply", "--yes")
    assert result.exit_code == 0, result.output
    assert "+ clouds.private.max_vms = 2" in said(result)
    assert "generation 1 is active" in said(result)
    assert document(site).read().body == shared(load(file.path))  # type: ignore[union-attr]


def test_the_same_again_is_nothing_to_do(file: FactoryFile, site: Site) -> None:
    file.apf("apply", "--yes")
    result = file.apf("apply")
    assert (result.exit_code, document(site).number()) == (0, 1)
    assert "nothing to do: generation 1 says the same" in said(result)


def test_a_change_is_shown_and_made_only_after_a_yes(file: FactoryFile, site: Site) -> None:
    file.apf("apply", "--yes")
    file.write(("private", "spot"), max_vms=7)
    refused = file.apf("apply", given="n\n")
    assert (refused.exit_code, document(site).number()) == (1, 1)
    assert "clouds.private.max_vms: 2 -> 7 clouds.spot.max_vms: 2 -> 7" in said(refused)
    assert file.apf("apply", given="y\n").exit_code == 0
    assert active(site)["clouds"]["spot"]["max_vms"] == 7


def test_a_removed_cloud_with_vms_stays_as_retired_and_is_named(file: FactoryFile, rows: Rows, site: Site) -> None:
    file.apf("apply", "--yes")
    rows.vm("spot", State.READY)
    rows.vm("spot", State.BOOTING)
    ended = rows.vm("private", State.ENDED)
    assert ended.cloud == "private"
    file.write(("other",))
    result = file.apf("apply", "--yes")
    assert "spot stays as retired: 2 VMs run there" in said(result)
    assert "private stays" not in said(result)
    assert active(site)["clouds"]["spot"]["retired"] is True
    assert set(active(site)["clouds"]) == {"other", "spot"}


def test_a_cloud_with_vms_is_never_forgotten_for_a_configuration_of_a_newer_version(
    file: FactoryFile, rows: Rows, site: Site
) -> None:
    newer = json.loads(shared(load(file.path)))
    newer["clouds"]["spot"]["a_key_of_tomorrow"] = 1
    document(site).replace(json.dumps(newer).encode(), 0, "tomorrow")
    rows.vm("spot", State.READY)
    file.write(("private",))
    result = file.apf("apply", "--yes")
    assert result.exit_code == 1
    assert "VMs run on spot, which this file leaves out" in said(result)
    assert document(site).number() == 1


def test_what_somebody_else_made_active_meanwhile_is_not_overwritten(file: FactoryFile, site: Site) -> None:
    file.apf("apply", "--yes")
    file.write(("private", "spot"), max_vms=3)
    settings = load(file.path)
    with store(settings) as rows:
        mine = apply.propose(settings, rows)
        file.write(("private", "spot"), max_vms=4)
        assert file.apf("apply", "--yes").exit_code == 0
        with pytest.raises(StaleRow, match="version 1 was expected, 2 is there"):
            apply.make_active(rows, mine, "ada")
    assert active(site)["clouds"]["spot"]["max_vms"] == 4


def test_the_active_configuration_is_printed_whatever_the_file_says(file: FactoryFile, site: Site) -> None:
    assert "no configuration is active" in said(file.apf("apply", "--show"))
    file.apf("apply", "--yes")
    file.write(("private",), max_vms=7)
    result = file.apf("apply", "--show")
    assert result.exit_code == 0
    assert result.output.startswith("# Generation 1, by ")
    assert tomllib.loads(result.output)["clouds"]["spot"]["max_vms"] == 2
    assert document(site).number() == 1


def test_a_rollback_makes_active_what_was_so_before_and_a_second_one_takes_it_back(
    file: FactoryFile, site: Site
) -> None:
    file.apf("apply", "--yes")
    assert "which configuration was active before is not known" in said(file.apf("apply", "--rollback", "--yes"))
    file.write(("private", "spot"), max_vms=7)
    file.apf("apply", "--yes")
    result = file.apf("apply", "--rollback", "--yes")
    assert result.exit_code == 0
    assert "clouds.spot.max_vms: 7 -> 2" in said(result)
    assert active(site)["clouds"]["spot"]["max_vms"] == 2
    assert document(site).number() == 3
    file.apf("apply", "--rollback", "--yes")
    assert active(site)["clouds"]["spot"]["max_vms"] == 7


def test_a_cloud_with_vms_that_the_one_before_did_not_have_is_retired_by_a_rollback(
    file: FactoryFile, rows: Rows, site: Site
) -> None:
    file.write(("private",))
    file.apf("apply", "--yes")
    file.write(("private", "spot"))
    file.apf("apply", "--yes")
    rows.vm("spot", State.READY)
    result = file.apf("apply", "--rollback", "--yes")
    assert "spot stays as retired: 1 VM run" in said(result)
    assert active(site)["clouds"]["spot"]["retired"] is True


def test_to_show_and_to_roll_back_are_two_things(file: FactoryFile) -> None:
    assert file.apf("apply", "--show", "--rollback").exit_code == 2
