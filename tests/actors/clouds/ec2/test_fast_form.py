"""What is sent is, to the byte, what botocore would have sent."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.ec2 import fast_form

forms = st.dictionaries(st.text(), st.text() | st.integers(), max_size=4)


@given(forms, st.binary(max_size=600), forms)
def test_a_form_is_encoded_as_urlencode_does_it(first: dict[str, Any], data: bytes, then: dict[str, Any]) -> None:
    form = first | {"UserData": base64.b64encode(data).decode(), "Long": data.hex(" ")} | then
    params: dict[str, Any] = {"body": form, "url_path": "/"}
    fast_form.encode(params, model=None)
    assert params == {"body": urlencode(form).encode(), "url_path": "/"}


def test_a_long_text_is_encoded_as_urlencode_does_it_whatever_letters_it_has() -> None:
    every = bytes(range(256)) * 4
    texts = [base64.b64encode(every).decode(), every.decode("latin-1"), "#cloud-config\n" * 40, "a b&c=d+e/f" * 40]
    for text in texts:
        params: dict[str, Any] = {"body": {"UserData": text}}
        fast_form.encode(params)
        assert params["body"] == urlencode({"UserData": text}).encode()


@given(st.binary() | st.none() | st.text())
def test_anything_else_is_left_to_botocore(body: object) -> None:
    params = {"body": body}
    fast_form.encode(params)
    assert params == {"body": body}
