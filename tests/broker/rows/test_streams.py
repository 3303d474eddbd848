"""Lines of history beside fenced rows: written with the row or not at all, and bounded."""

import pytest

from broker.connection.address import Site
from broker.errors import LeaseLost, StaleRow
from broker.posts.leases import Leases, Term
from broker.rows.streams import Lines
from broker.rows.table import Append, Put, Table

POST = "cloud/private"


def term(site: Site, holder: str, ttl_s: float = 60.0) -> Term:
    answer = Leases(site.client(), site, holder, ttl_s).acquire(POST)
    assert isinstance(answer, Term)
    return answer


def line(key: str, body: bytes = b"told", most: int = 1_000, kept_s: int = 3_600) -> Append:
    return Append(kind="history", key=key, body=body, most=most, kept_s=kept_s)


def put(key: str, expected: int | None = None) -> Put:
    return Put(kind="vm", key=key, body=b"row", expected_version=expected)


def told(site: Site) -> list[tuple[str, bytes]]:
    return [(one.key, one.body) for one in Lines(site.client(), site).read("history", POST)]


def test_a_line_is_written_with_the_row_that_it_is_about_and_has_redis_time(site: Site) -> None:
    client = site.client()
    table, held = Table(client, site), term(site, "a#1")
    seconds, micros = client.time()  # type: ignore[misc]
    assert table.write(held, [put("v1"), line("v1", b"one"), line("v1", b"two")]) == [1, 0, 0]
    assert told(site) == [("v1", b"one"), ("v1", b"two")]
    (first, _) = Lines(client, site).read("history", POST)
    assert 0 <= first.at - (seconds + micros / 1e6) + 0.002 < 60


def test_a_refused_change_leaves_no_line(site: Site) -> None:
    table, held = Table(site.client(), site), term(site, "a#1")
    with pytest.raises(StaleRow):
        table.write(held, [line("v1"), put("v1", expected=7)])
    assert told(site) == []


def test_a_stale_holder_writes_no_history(site: Site) -> None:
    table, old = Table(site.client(), site), term(site, "a#1")
    Leases(site.client(), site, "a#1", 60.0).release(old)
    new = term(site, "b#1")
    with pytest.raises(LeaseLost):
        table.write(old, [put("v1"), line("v1", b"from the stale one")])
    table.write(new, [put("v1"), line("v1", b"from the holder")])
    assert told(site) == [("v1", b"from the holder")]


def test_the_oldest_lines_go_beyond_their_number(site: Site) -> None:
    table, held = Table(site.client(), site), term(site, "a#1")
    for start in range(0, 2_000, 500):
        table.write(held, [line(f"v{number}", most=300) for number in range(start, start + 500)])
    found = told(site)
    assert 300 <= len(found) <= 300 + 100  # Redis lets whole nodes go, of a hundred lines
    assert found[-1][0] == "v1999"


def test_old_lines_go_by_their_age_and_a_post_that_tells_nothing_more_goes_whole(site: Site) -> None:
    client = site.client()
    table, held = Table(client, site), term(site, "a#1")
    key = site.key("lines", "history", POST)
    for number in range(250):
        client.xadd(key, {"k": "old", "b": b"x"}, id=f"1000-{number + 1}")
    table.write(held, [line("new", kept_s=100)])
    found = told(site)
    assert found[-1] == ("new", b"told")
    assert len(found) <= 100
    assert 0 < client.ttl(key) <= 100  # type: ignore[operator]


def test_more_lines_than_one_piece_are_read_whole_and_in_order(site: Site) -> None:
    table, held = Table(site.client(), site), term(site, "a#1")
    table.write(held, [line(str(number), most=10_000) for number in range(2_500)])
    assert [key for key, _ in told(site)] == [str(number) for number in range(2_500)]
    assert Lines(site.client(), site).count("history", POST) == 2_500
    (last,) = [one for one in Lines(site.client(), site).read("history", POST) if one.key == "2499"]
    later = Lines(site.client(), site).read("history", POST, since=last.at + 1)
    assert list(later) == []
