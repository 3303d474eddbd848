"""Reading the configuration: every mistake at once, each with its line, what was seen, what is allowed, and a hint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config.load import load, missing_secrets, parse
from actors.config.mistakes import BadConfig

GOOD = """\
[factory]
name = "lab"

[pools.local]
collector = "condor.example.org"

[accounts.main]
access_key_id = "env:KEY_ID"

[clouds.private]
account = "main"
region = "here"
image = "ami-1"
instance_type = "small"
shape = { cpus = 4, memory_mib = 8000 }
max_vms = 10

[clouds.spot]
region = "there"
image = "ami-1"
instance_type = "small"
shape = { cpus = 4, memory_mib = 8000 }
max_vms = 10

[queues.atlas]
pool = "local"
jobs = 'MATCH_APF_QUEUE == "atlas"'
cascade = [
  ["private"],
  ["spot"],
]
"""


def mistakes(*changes: tuple[str, str]) -> list[str]:
    """What is said of the good configuration after some changes."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(BadConfig) as wrong:
        parse(text)
    return [str(mistake) for mistake in wrong.value.mistakes]


def test_a_good_configuration_is_read_and_the_usual_kinds_need_not_be_said(tmp_path: Path) -> None:
    file = tmp_path / "apf.toml"
    file.write_text(GOOD)
    config = load(file)
    assert (config.pools["local"].kind, config.clouds["spot"].kind) == ("htcondor", "ec2")
    assert config.queues["atlas"].cascade == (("private",), ("spot",))


def cases() -> list[tuple[str, tuple[str, str], list[str]]]:
    """The transcript: after "#" a title, "-" what stands in the good configuration, "+" instead, "!" what is said."""
    found = []
    for block in (Path(__file__).parent / "config_mistakes.txt").read_text().split("\n\n"):
        lines = [(line[:1], line[2:]) for line in block.splitlines()]
        text = {mark: [content for kind, content in lines if kind == mark] for mark in "#-+!"}
        found.append((text["#"][0], ("\n".join(text["-"]), "\n".join(text["+"])), text["!"]))
    return found


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in cases()], ids=[case[0] for case in cases()])
def test_each_mistake_is_told_with_its_line_and_its_remedy(change: tuple[str, str], said: list[str]) -> None:
    assert mistakes(change) == said


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    told = mistakes(
        ('["spot"]', '["spto"]'),
        ("max_vms = 10", 'max_vms = "10 VMs"'),
        ('name = "lab"', "nam = 3"),
        ("QUEUE ==", "QUEUE ="),
    )
    assert [line.split(":")[0] for line in told] == ["line 2", "line 16", "line 27", "line 28"]


def test_the_message_names_the_file_and_counts_the_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "apf.toml"
    file.write_text(GOOD.replace("max_vms", "max_vm"))
    with pytest.raises(BadConfig, match=r"apf\.toml: 2 mistakes"):
        load(file)


@pytest.mark.parametrize("make", ["nothing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_a_mistake_like_others(tmp_path: Path, make: str) -> None:
    file = tmp_path / "apf.toml"
    if make == "folder":
        file.mkdir()
    if make == "binary":
        file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match=r"1 mistake\n  the file: (cannot be read|is not UTF-8)"):
        load(file)


@given(st.text(min_size=4, max_size=20, alphabet="abcXYZ0189/+=").map(lambda text: f"S3{text}"))
@settings(max_examples=50, deadline=None)
def test_a_secret_in_plain_is_never_repeated(written: str) -> None:
    for key in ("secret_access_key", "session_token", "secret_acess_key", "password"):
        told = mistakes(('access_key_id = "env:KEY_ID"', f'{key} = "{written}"'))
        assert written not in " ".join(told)


words = st.sampled_from(
    ["factory", "pools", "clouds", "queues", "local", "kind", "shape", "cascade", "pool", "jobs", "x"]
)
values = st.recursive(
    st.integers() | st.floats() | st.booleans() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(words, values, max_size=5))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_the_answer_is_a_configuration_or_a_list_of_mistakes(raw: dict[str, object]) -> None:
    with pytest.raises(BadConfig) as wrong:
        parse("\n".join(f"{key} = {_toml(value)}" for key, value in raw.items()))
    assert wrong.value.mistakes


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08X}" for char in value if not 0xD800 <= ord(char) <= 0xDFFF) + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_references_that_lead_nowhere_are_named_without_being_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY_ID", raising=False)
    config = parse(GOOD)
    assert missing_secrets(config) == (
        "accounts.main.access_key_id: the environment variable KEY_ID is not set or empty",
    )
    monkeypatch.setitem(os.environ, "KEY_ID", "x")
    assert missing_secrets(config) == ()


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({f"t{n}": "v" for n in range(45)}, "clouds.private.tags: 45 tags; EC2 takes 50, of which 6 are ours"),
        ({"k" * 129: "v"}, "a name of 129 characters; allowed: 1 to 128"),
        ({"k": "v" * 257}, "clouds.private.tags.k: a value of 257 characters; allowed: at most 256"),
    ],
)
def test_tags_that_ec2_refuses_are_mistakes(tags: dict[str, str], told: str) -> None:
    (mistake,) = mistakes(('region = "here"', f'region = "here"\ntags = {inline(tags)}'))
    assert told in mistake


def test_as_many_and_as_long_tags_as_ec2_takes_are_right() -> None:
    most = {f"{n:03}".ljust(128, "k"): "v" * 256 for n in range(44)} | {"Name": "of an operator's own"}
    assert len(parse(GOOD.replace('region = "here"', f'region = "here"\ntags = {inline(most)}')).clouds) == 2


def inline(table: dict[str, str]) -> str:
    return "{ " + ", ".join(f'"{key}" = "{value}"' for key, value in table.items()) + " }"


def test_a_byte_order_mark_at_the_begin_of_a_file_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "apf.toml").write_text(GOOD, encoding="utf-8-sig")
    assert load(tmp_path / "apf.toml").factory.name == "lab"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "not TOML: tables or lists too deep in each other; allowed: 16"),
        ("[a" + ".a" * 3000 + "]", "more than 16 tables or lists in each other"),
        ("x = " + "{a=" * 17 + "1" + "}" * 17, "more than 16 tables or lists in each other"),
        ("x = " + "9" * 5000, "line 31: not TOML: a number of 5000 digits; allowed: at most 19"),
        ("x = 0x" + "9" * 5000, "line 31: x: a number of 20000 bits; allowed: at most 63"),
    ],
    ids=["lists", "headers", "inline tables", "digits", "hexadecimal"],
)
def test_what_is_too_deep_or_too_long_for_any_key_is_one_mistake(more: str, told: str) -> None:
    with pytest.raises(BadConfig) as wrong:
        parse(f"{more}\n{GOOD}" if "[a" not in more else f"{GOOD}\n{more}")
    (mistake,) = wrong.value.mistakes
    assert told.replace("line 31", "line 1") in str(mistake)
