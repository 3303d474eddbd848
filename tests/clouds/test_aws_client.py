"""The body of a request, as we encode it in botocore's place."""

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.aws_client import encoded

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXT.filter(bool), TEXT | st.integers()))
def test_what_is_encoded_is_read_back_as_it_was(body: dict[str, str | int]) -> None:
    read = parse_qsl(encoded(body).decode("ascii"), keep_blank_values=True, max_num_fields=None)
    assert read == [(name, str(value)) for name, value in body.items()]


@given(st.dictionaries(TEXT.filter(bool), TEXT))
def test_it_differs_from_the_standard_librarys_in_how_a_space_is_written_and_in_nothing_else(
    body: dict[str, str],
) -> None:
    assert encoded(body).replace(b"%20", b"+").decode() == urlencode(body)
