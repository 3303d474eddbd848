"""Where keys stand in a TOML text."""

from __future__ import annotations

from actors.config.toml_lines import line_of, lines_of

TEXT = '''\
# a comment
top = 1

[a."b c"]
x.y = [
  1,   # one
  2,
]
z = """
[not.a.table]
w = 3
"""
inline = { p = { q = 1 } }

[[list]]
k = 1
[[list]]
k = 2
[list.below]
m = 1
'''


def test_every_table_and_key_has_its_line() -> None:
    places = lines_of(TEXT)
    assert places[("top",)] == 2
    assert places[("a", "b c")] == 4
    assert places[("a", "b c", "x", "y")] == 5
    assert places[("a", "b c", "z")] == 9
    assert places[("a", "b c", "inline", "p", "q")] == 13
    assert places[("list", 0, "k")] == 16
    assert places[("list", 1, "k")] == 18
    assert places[("list", 1, "below", "m")] == 20
    assert ("not", "a", "table") not in places


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    places = lines_of(TEXT)
    assert line_of(places, ("a", "b c", "missing")) == 4
    assert line_of(places, ("a", "b c", "x", "y", 1)) == 5
    assert line_of(places, ("nowhere",)) == 1


def test_windows_line_ends_are_no_trouble() -> None:
    assert lines_of("a = 1\r\n[t]\r\nb = [\r\n1]\r\n")[("t", "b")] == 3
