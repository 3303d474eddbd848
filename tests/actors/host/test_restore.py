"""What hosts put back when Redis lost it."""

import pytest

from actors.fleet.wish import Wish
from actors.host.restore import Keepsake
from actors.store.wants import WishOutcome, accept, conclude, forget_wishes, read_outcomes, read_wishes
from broker.connection.address import Site
from broker.rows.document import Document, Edition
from broker.rows.table import Table

NOW = 1_000.0


def wish(id: str = "w1", ends: float = 2_000.0) -> Wish:
    return Wish(
        id=id, verb="hold", selector="vm", names=("i-1",), reason="to look at it", by="ada", at=900.0, ends=ends
    )


@pytest.fixture
def table(site: Site) -> Table:
    return Table(site.client(), site)


@pytest.fixture
def document(site: Site) -> Document:
    return Document(site.client(), site, "config")


OURS = b'{"rhythm": {}}'


def lose_all(site: Site) -> None:
    client = site.client()
    client.delete(*client.scan_iter(site.prefix + "*"))


def test_a_living_wish_that_redis_lost_is_put_back_with_its_outcome(
    site: Site, table: Table, document: Document
) -> None:
    accept(table, wish())
    keepsake = Keepsake(table, document)
    keepsake.keep_wishes(NOW)
    lose_all(site)
    keepsake.keep_wishes(NOW)
    assert read_wishes(table, NOW) == (wish(),)
    assert read_outcomes(table)["w1"].verdict == "accepted"


def test_a_wish_that_redis_lost_before_anybody_read_it_is_put_back_by_the_host_that_accepted_it(
    table: Table, document: Document
) -> None:
    keepsake = Keepsake(table, document)
    keepsake.remember(wish())
    keepsake.keep_wishes(NOW)
    assert read_wishes(table, NOW) == (wish(),)


def test_a_wish_that_has_ended_is_not_put_back(site: Site, table: Table, document: Document) -> None:
    accept(table, wish(ends=NOW + 1))
    keepsake = Keepsake(table, document)
    keepsake.keep_wishes(NOW)
    lose_all(site)
    keepsake.keep_wishes(NOW + 2)
    assert table.read_once("wish") == {}


def test_wishes_of_after_a_loss_stand_beside_those_put_back(site: Site, table: Table, document: Document) -> None:
    accept(table, wish())
    keepsake = Keepsake(table, document)
    keepsake.keep_wishes(NOW)
    lose_all(site)
    accept(table, wish("w2"))
    keepsake.keep_wishes(NOW)
    assert [one.id for one in read_wishes(table, NOW)] == ["w1", "w2"]


def test_a_lost_configuration_is_put_back_with_its_number_by_whoever_comes_first(
    site: Site, table: Table, document: Document
) -> None:
    document.replace(b"one", 0, "ada")
    document.replace(b"two", 1, "bob")
    seen = document.read()
    lose_all(site)
    for _ in range(2):
        assert Keepsake(table, document).newer(seen) is None
    assert document.read() == seen


def test_an_older_configuration_is_replaced_by_what_was_seen(table: Table, document: Document) -> None:
    document.replace(b"old", 0, "ada")
    assert Keepsake(table, document).newer(Edition(number=3, body=OURS, by="bob", at=NOW)) is None
    assert document.read() == Edition(number=3, body=OURS, by="bob", at=NOW)


def test_a_newer_configuration_is_told(table: Table, document: Document) -> None:
    document.replace(OURS, 0, "ada")
    assert Keepsake(table, document).newer(None) == document.read()
    assert Keepsake(table, document).newer(document.read()) is None


def test_wishes_are_forgotten_a_while_after_they_are_over_with_their_outcomes(table: Table) -> None:
    for id, ends in (("long-over", 1_000.0), ("just-over", 1_950.0), ("alive", 9_000.0)):
        accept(table, wish(id, ends))
    conclude(table, WishOutcome(id="refused-long-ago", verdict="refused", why="no such VM", at=900.0))
    conclude(table, WishOutcome(id="refused-now", verdict="refused", why="no such VM", at=1_990.0))
    assert forget_wishes(table, now=2_000.0, kept_s=100.0) == 2
    assert {one.id for one in read_wishes(table, 0.0)} == {"just-over", "alive"}
    assert set(read_outcomes(table)) == {"just-over", "alive", "refused-now"}
    assert forget_wishes(table, now=2_000.0, kept_s=100.0) == 0


def test_an_id_that_is_seen_again_while_its_wish_is_kept_is_that_one_wish(table: Table) -> None:
    accept(table, wish("w1", ends=1_950.0))
    forget_wishes(table, now=2_000.0, kept_s=100.0)
    accept(table, wish("w1", ends=9_000.0))  # the mail came again, late
    assert [one.ends for one in read_wishes(table, 0.0)] == [1_950.0]


def test_a_host_forgets_now_and_then_and_puts_no_old_wish_back(table: Table, document: Document) -> None:
    keepsake = Keepsake(table, document)
    accept(table, wish("w1", ends=2_000.0))
    keepsake.keep_wishes(NOW)
    for now in (2_050.0, 3_000.0):
        keepsake.keep_wishes(now)
        keepsake.forget_old(now, kept_s=100.0)
    assert read_wishes(table, 0.0) == ()
    assert read_outcomes(table) == {}
