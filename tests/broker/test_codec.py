"""The codec: whole messages come out, or BadMail. Nothing else, whatever goes in."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.codec import CONTENT_TYPE, MAX_BYTES, decode, encode
from broker.envelope import vocabulary
from broker.errors import BadMail
from tests.broker.words import KINDS, Call, Look

LOOKS = st.builds(Look, row=st.integers(-(2**63), 2**63 - 1), why=st.lists(st.text(max_size=20)).map(tuple))
CALLS = st.builds(Call, name=st.text(), share=st.floats(allow_nan=False, allow_infinity=False))
TIMES = st.floats(0, 4e9)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=4)
    ),
)


def good(**changes: Any) -> dict[str, Any]:
    return msgpack.unpackb(encode(Look(row=1), sender="a#1", sent_at=5.0)) | changes  # type: ignore[no-any-return]


@given(LOOKS | CALLS, TIMES, st.none() | TIMES)
def test_every_message_comes_back_as_it_was(message: Look | Call, sent_at: float, not_after: float | None) -> None:
    data = encode(message, sender="a#1", sent_at=sent_at, not_after=not_after, mail_id="m")
    envelope, back = decode(data, CONTENT_TYPE, KINDS)
    assert back == message
    assert type(back) is type(message)
    assert (envelope.id, envelope.kind, envelope.sender) == ("m", message.kind, "a#1")
    assert (envelope.sent_at, envelope.not_after) == (sent_at, not_after)


@given(st.binary(max_size=400))
def test_any_bytes_are_bad_mail(data: bytes) -> None:
    with pytest.raises(BadMail):
        decode(data, CONTENT_TYPE, KINDS)


@given(VALUES)
def test_any_msgpack_is_bad_mail(content: Any) -> None:
    with pytest.raises(BadMail):
        decode(msgpack.packb(content), CONTENT_TYPE, KINDS)


@given(st.sampled_from(sorted(good())), VALUES)
def test_an_envelope_with_any_field_changed_is_read_or_is_bad_mail(field: str, value: Any) -> None:
    try:
        decode(msgpack.packb(good(**{field: value})), CONTENT_TYPE, KINDS, now=0.0)
    except BadMail as bad:
        assert bad.reason  # noqa: PT017  either outcome is right; any other exception is the failure


@given(VALUES)
def test_any_body_of_a_known_kind_is_read_or_is_bad_mail(body: Any) -> None:
    try:
        _, message = decode(msgpack.packb(good(body=body)), CONTENT_TYPE, KINDS)
    except BadMail:
        return
    assert isinstance(message, Look)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_flipped_byte_is_read_or_is_bad_mail(place: int, value: int) -> None:
    data = bytearray(encode(Look(row=1, why=("x",)), sender="a#1", sent_at=5.0))
    data[place % len(data)] = value
    try:
        decode(bytes(data), CONTENT_TYPE, KINDS)
    except BadMail:
        return


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 2}, "schema version '2'; only 1"),
        ({"schema_version": None}, "schema version"),
        ({"kind": "unheard"}, "kind 'unheard' is not known"),
        ({"extra": 1}, "envelope: extra"),
        ({"sender": ""}, "envelope: sender"),
        ({"body": {"row": "many"}}, "look: row"),
        ({"body": {"row": 1, "colour": "red"}}, "look: colour"),
        ({"body": {}}, "look: row"),
        ({"not_after": 9.5}, "look is 0.5 s too old"),
        ({"sent_at": float("nan")}, "envelope: sent_at"),
    ],
)
def test_the_reason_names_the_mistake(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadMail) as bad:
        decode(msgpack.packb(good(**changes)), CONTENT_TYPE, KINDS, now=10.0)
    assert reason in bad.value.reason


@pytest.mark.parametrize("content_type", [None, "", "application/data", "application/json", "application/x-msgpack "])
def test_only_one_content_type_is_read(content_type: str | None) -> None:
    with pytest.raises(BadMail, match="content type"):
        decode(encode(Look(row=1), sender="a#1", sent_at=5.0), content_type, KINDS)


def test_mail_larger_than_the_limit_is_neither_sent_nor_read() -> None:
    with pytest.raises(BadMail, match="at most 65536"):
        encode(Call(name="x" * MAX_BYTES), sender="a#1", sent_at=5.0)
    with pytest.raises(BadMail, match="at most 65536"):
        decode(b"x" * (MAX_BYTES + 1), CONTENT_TYPE, KINDS)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a"])
def test_deep_nesting_is_bad_mail(opening: bytes) -> None:
    with pytest.raises(BadMail):
        decode(opening * 20_000 + b"\xc0", CONTENT_TYPE, KINDS)


@pytest.mark.parametrize("depth", [100, 400, 1000])
def test_a_deeply_nested_body_is_bad_mail(depth: int) -> None:
    packed = msgpack.packb(good(body={}))
    assert packed.endswith(b"\x80")
    with pytest.raises(BadMail):
        decode(packed[:-1] + b"\x81\xa1a" * depth + b"\xc0", CONTENT_TYPE, KINDS)


def test_two_words_of_one_kind_are_no_vocabulary() -> None:
    class Twin(Look):
        """Has the kind of Look."""

    with pytest.raises(ValueError, match="share a kind"):
        vocabulary(Look, Twin)
