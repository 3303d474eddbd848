"""A guest does what its user-data says, or says why it cannot."""

import base64
import gzip

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.lab.cloud import guest

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029", min_codepoint=32))


def _document(*entries: dict[str, str]) -> str:
    return "#cloud-config\n" + yaml.safe_dump({"write_files": list(entries)})


@settings(max_examples=30)
@given(text=TEXT)
def test_files_come_through_in_each_encoding(text: str) -> None:
    forms = {
        "": text,
        "b64": base64.b64encode(text.encode()).decode(),
        "gz+b64": base64.b64encode(gzip.compress(text.encode())).decode(),
    }
    entries = [{"path": "/etc/x", "encoding": name, "content": form} for name, form in forms.items()]
    assert [file.text for file in guest.read_user_data(_document(*entries))] == [text] * 3


def test_permissions_are_octal_and_default_to_0644() -> None:
    files = guest.read_user_data(_document({"path": "/a"}, {"path": "/b", "permissions": "0600"}))
    assert [(file.path, file.mode) for file in files] == [("/a", 0o644), ("/b", 0o600)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("#cloud-config\n{", "not YAML"),
        ("#cloud-config\nruncmd: []", "no write_files"),
        (_document({"content": "x"}), "without a path"),
        (_document({"path": "/a", "encoding": "rot13"}), "unknown encoding rot13"),
        (_document({"path": "/a", "encoding": "b64", "content": "!"}), "/a"),
        (_document({"path": "/a", "permissions": "rw"}), "/a"),
    ],
)
def test_what_cannot_be_understood_is_named(text: str, said: str) -> None:
    with pytest.raises(guest.BadUserData, match=said):
        guest.read_user_data(text)


@given(data=st.binary())
def test_any_user_data_decodes_or_is_refused(data: bytes) -> None:
    for form in (data, gzip.compress(data)):
        try:
            assert guest.decode(base64.b64encode(form).decode()).encode() == data
        except guest.BadUserData:
            assert form[:2] == b"\x1f\x8b" or not _is_text(data)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
