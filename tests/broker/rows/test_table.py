"""Fenced rows against a real Redis, beside a plain dictionary that says what must be there."""

import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.connection.address import Site
from broker.connection.damage import Infirmary, Where
from broker.errors import DamagedRow, LeaseLost, StaleRow
from broker.posts.leases import Leases, Term
from broker.rows.table import Append, Delete, Put, Row, Table
from tests.late import within

POST = "cloud/private"


def term(site: Site, holder: str = "a#1", post: str = POST) -> Term:
    answer = Leases(site.client(), site, holder, 60).acquire(post)
    assert isinstance(answer, Term)
    return answer


KEYS = st.sampled_from(["v1", "v2", "v3"])
KINDS = st.sampled_from(["vm", "intent"])
EXPECTED = st.none() | st.integers(0, 3)
CHANGES = st.lists(
    st.builds(Put, kind=KINDS, key=KEYS, body=st.binary(max_size=20), expected_version=EXPECTED)
    | st.builds(Delete, kind=KINDS, key=KEYS, expected_version=EXPECTED),
    max_size=5,
)


def applied(model: dict[tuple[str, str], tuple[int, bytes]], changes: list[Put | Delete]) -> list[int]:
    """What a table must do, on a dictionary. Raises StaleRow at the first stale change."""
    versions = []
    for change in changes:
        place = (change.kind, change.key)
        version = model.get(place, (0, b""))[0]
        if change.expected_version is not None and change.expected_version != version:
            raise StaleRow(change.kind, change.key, change.expected_version, version)
        versions.append(version + 1 if isinstance(change, Put) else 0)
        if isinstance(change, Put):
            model[place] = (version + 1, change.body)
        else:
            model.pop(place, None)
    return versions


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(CHANGES, max_size=6))
def test_writes_are_all_or_nothing_and_versions_count(site: Site, writes: list[list[Put | Delete]]) -> None:
    fresh = Site(address=site.address, factory=f"test-{secrets.token_hex(6)}")
    table, held = Table(fresh.client(), fresh), term(fresh)
    model: dict[tuple[str, str], tuple[int, bytes]] = {}
    for changes in writes:
        after = dict(model)
        try:
            expected: list[int] | str = applied(after, changes)
            model = after
        except StaleRow as stale:
            expected = str(stale)
        try:
            got: list[int] | str = table.write(held, changes)
        except StaleRow as stale:
            got = str(stale)
        assert got == expected
        for kind in ("vm", "intent"):
            rows = {key: (row.version, row.body) for key, row in table.read(kind, POST).items()}
            assert rows == {key: row for (of, key), row in model.items() if of == kind}


def test_a_row_tells_its_version_its_writers_fence_and_any_bytes(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    body = bytes(range(256)) * 3
    assert table.write(held, [Put(kind="vm", key="ü 1", body=body, expected_version=0)]) == [1]
    row = Row(key="ü 1", version=1, fence=held.fence, body=body)
    assert table.get("vm", POST, "ü 1") == row
    assert table.read("vm", POST) == {"ü 1": row}
    assert table.get("vm", POST, "v2") is None


def test_a_term_of_another_post_or_an_invented_one_writes_nothing(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    invented = [
        Term(post=POST, holder="a#2", fence=held.fence, trusted_until=1e12),
        Term(post=POST, holder="a#1", fence=held.fence - 1, trusted_until=1e12),
        Term(post=POST, holder="a#1", fence=held.fence + 1, trusted_until=1e12),
        Term(post="cloud/other", holder="a#1", fence=held.fence, trusted_until=1e12),
    ]
    for one in invented:
        with pytest.raises(LeaseLost) as lost:
            table.write(one, [Put(kind="vm", key="v1", body=b"", expected_version=None)])
        assert lost.value.post == one.post
    assert table.read_many("vm", [POST, "cloud/other"]) == {POST: {}, "cloud/other": {}}


def test_a_term_that_ran_out_writes_nothing_though_nobody_took_its_post(site: Site) -> None:
    """Its holder may have slept, and the next one begins any moment."""
    leases = Leases(site.client(), site, "a#1", 0.01)
    held = leases.acquire(POST)
    assert isinstance(held, Term)
    within(5, "the lease runs out", lambda: leases.owners()[0].holder is None)
    with pytest.raises(LeaseLost, match="expired, last held by a#1"):
        Table(site.client(), site).write(held, [Put(kind="vm", key="k", body=b"", expected_version=None)])
    assert Table(site.client(), site).read("vm", POST) == {}


def test_a_row_with_a_newer_fence_refuses_an_older_writer(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    site.client().hset(site.key("rows", "vm", POST), "v1", f"4 {held.fence + 1}\nbody")
    with pytest.raises(LeaseLost, match="written with fence"):
        table.write(held, [Put(kind="vm", key="v1", body=b"", expected_version=None)])


GARBAGE = (b"garbage", b"", b"\xff\xfe\n", b"1\n", b"nan inf\nx", b"9" * 5_000 + b" 1\nx", b"1 " + b"9" * 16 + b"\nx")


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_row_is_named_and_left_out_and_what_stands_beside_it_is_read(site: Site, garbage: bytes) -> None:
    table, held = Table(site.client(), site), term(site)
    table.write(held, [Put(kind="vm", key="v0", body=b"good", expected_version=0)])
    site.client().hset(site.key("rows", "vm", POST), "v1", garbage)
    assert list(table.read("vm", POST)) == ["v0"]
    assert [str(one.where) for one in table.damages.all()] == ["rows:vm:cloud/private v1"]


def test_what_is_no_row_is_written_over_by_its_writer_and_can_be_had_again(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    site.client().hset(site.key("rows", "vm", POST), "v1", b"gar\xffbage")
    with pytest.raises(DamagedRow, match="vm v1"):  # a change that names a version was decided on something else
        table.write(held, [Put(kind="vm", key="v1", body=b"", expected_version=0)])
    table.write(held, [Put(kind="vm", key="v1", body=b"well", expected_version=None)])
    row = table.get("vm", POST, "v1")
    assert row is not None
    assert (row.body, row.version) == (b"well", 1)
    assert list(site.client().hgetall(site.key("aside")).values()) == [b"gar\xffbage"]


def test_a_key_of_another_type_spoils_its_own_post_alone_until_it_is_set_aside(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    site.client().set(site.key("rows", "vm", POST), "garbage")
    site.client().hset(site.key("rows", "vm", "cloud/other"), "v2", "1 1\ngood")
    assert {post: list(rows) for post, rows in table.read_many("vm", [POST, "cloud/other"]).items()} == {
        POST: [], "cloud/other": ["v2"],
    }  # fmt: skip
    assert [row and row.key for row in table.get_at_once([("vm", POST, "v1"), ("vm", "cloud/other", "v2")])] == [
        None, "v2",
    ]  # fmt: skip
    line = Append(kind="vm", key="v1", body=b"told", most=10, kept_s=60)
    site.client().hset(site.key("lines", "vm", POST), "a", "b")
    put = Put(kind="vm", key="v1", body=b"well", expected_version=None)
    with pytest.raises(DamagedRow, match="vm key of cloud/private"):
        table.write(held, [put, line])
    assert Infirmary(site.client(), site).set_aside(Where(key=f"rows:vm:{POST}"))
    table.write(held, [put, line])
    assert list(table.read("vm", POST)) == ["v1"]
    assert len(Infirmary(site.client(), site).aside()) == 2


def test_what_is_set_aside_is_out_of_the_way_and_named(site: Site) -> None:
    table, infirmary = Table(site.client(), site), Infirmary(site.client(), site)
    site.client().hset(site.key("rows", "vm", POST), b"v\xff", "garbage")
    assert table.read("vm", POST) == {}
    (damage,) = infirmary.still(table.damages.all())
    assert infirmary.set_aside(damage.where)
    assert not infirmary.set_aside(damage.where)
    assert infirmary.still(table.damages.all()) == []
    assert len(infirmary.aside()) == 1
    assert site.client().hgetall(site.key("rows", "vm", POST)) == {}


def test_ten_thousand_rows_are_written_and_read_in_two_calls(site: Site) -> None:
    table, held = Table(site.client(), site), term(site)
    changes = [Put(kind="vm", key=f"v{n}", body=b"x" * 200, expected_version=0) for n in range(10_000)]
    assert table.write(held, changes) == [1] * 10_000
    assert len(table.read("vm", POST)) == 10_000


def test_a_write_once_row_is_never_overwritten(site: Site) -> None:
    table = Table(site.client(), site)
    assert table.put_once("wish", "w1", b"drain")
    assert not table.put_once("wish", "w1", b"kill")
    assert table.get_once("wish", "w1") == b"drain"
    assert table.read_once("wish") == {"w1": b"drain"}
    assert table.delete_once("wish", ["w1", "w2"]) == 1
    assert table.delete_once("wish", []) == 0
    assert table.get_once("wish", "w1") is None


@pytest.mark.parametrize("kind", ["", "VM", "a:b", "a b"])
def test_a_kind_that_could_mix_with_another_is_refused(site: Site, kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        Table(site.client(), site).read(kind, POST)


def test_rows_of_several_posts_come_at_once_in_order_or_none(site: Site) -> None:
    table, posts = Table(site.client(), site), ["queue/atlas", "queue/belle", "queue/cms"]
    for post in posts[::2]:
        rows = [Put(kind="want", key=key, body=f"{post} {key}".encode(), expected_version=None) for key in ("a", "b")]
        table.write(term(site, post=post), rows)
    places = [("want", "queue/cms", "a"), *(("want", post, "b") for post in posts), ("fleet", "cloud/spot", "b")]
    assert table.get_at_once(places) == table.get_many(places)
    assert [row.body if row else None for row in table.get_at_once(places)] == [
        b"queue/cms a", b"queue/atlas b", None, b"queue/cms b", None,
    ]  # fmt: skip
    assert table.get_at_once([]) == []
