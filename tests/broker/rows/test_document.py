"""A document that all hosts agree on."""

import pytest

from broker.connection.address import Site
from broker.errors import DamagedRow, StaleRow
from broker.rows.document import Document, Edition


@pytest.fixture
def document(site: Site) -> Document:
    return Document(site.client(), site, "config")


def test_there_is_none_at_first(document: Document) -> None:
    assert document.number() == 0
    assert document.read() is None


def test_each_change_has_the_next_number_and_its_author(document: Document) -> None:
    assert document.replace(b"one", expected=0, by="ada") == 1
    assert document.replace(b"two", expected=1, by="grace") == 2
    edition = document.read()
    assert edition is not None
    assert (edition.number, edition.body, edition.by) == (2, b"two", "grace")
    assert edition.at > 1_700_000_000
    assert document.number() == 2


def test_of_two_changes_made_from_one_number_the_second_is_refused(document: Document) -> None:
    document.replace(b"one", expected=0, by="ada")
    with pytest.raises(StaleRow, match="version 0 was expected, 1 is there"):
        document.replace(b"other", expected=0, by="grace")
    edition = document.read()
    assert edition is not None
    assert edition.body == b"one"


def test_the_one_before_is_kept(document: Document) -> None:
    assert document.before() is None
    document.replace(b"one", expected=0, by="ada")
    assert document.before() is None
    document.replace(b"two", expected=1, by="grace")
    before = document.before()
    assert before is not None
    assert (before.number, before.body, before.by) == (1, b"one", "ada")
    document.put_back(Edition(number=7, body=b"seven", by="host", at=1.0))
    assert document.before() is None


GARBAGE = ({"number": "garbage"}, {"number": "nan"}, {"number": "1e300"}, {"number": "9" * 5_000}, {"number": ""})


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_edition_is_named_and_put_back_by_whoever_knows_it(
    document: Document, site: Site, garbage: dict[str, str]
) -> None:
    document.replace(b"one", expected=0, by="ada")
    seen = document.read()
    assert seen is not None
    site.client().hset(site.key("document", "config"), mapping=garbage)
    for ask in (document.number, document.read):
        with pytest.raises(DamagedRow, match="config"):
            ask()
    document.mend(seen)
    assert document.read() == seen
    assert len(document.infirmary.aside()) == 1


def test_a_document_of_another_type_is_named_and_put_back(document: Document, site: Site) -> None:
    document.replace(b"one", expected=0, by="ada")
    seen = document.read()
    assert seen is not None
    site.client().delete(site.key("document", "config"))
    site.client().lpush(site.key("document", "config"), "garbage")
    with pytest.raises(DamagedRow, match="config"):
        document.number()
    document.mend(seen)
    assert document.read() == seen


def test_an_author_or_a_time_that_cannot_be_read_spoils_nothing_else(document: Document, site: Site) -> None:
    document.replace(b"one", expected=0, by="ada")
    site.client().hset(site.key("document", "config"), mapping={"by": b"\xff", "at": "nan"})  # type: ignore[arg-type]
    edition = document.read()
    assert edition is not None
    assert (edition.number, edition.body, edition.at) == (1, b"one", 0.0)
