"""What the manual says is what the code does: README.md, deploy/README.md and the pages under deploy/docs."""

import re
import shlex
from pathlib import Path

import pytest

from actors.config.load import load
from tests.readme import PAGES, ROOT, known_commands, manual, stale

README = ROOT / "README.md"
TEXT = manual()


def test_commands_lifecycle_metrics_and_config_keys_are_those_of_the_code() -> None:
    assert list(stale()) == [], "run `python -m tests.readme`"


def test_the_readme_is_what_a_newcomer_reads() -> None:
    assert len(README.read_bytes()) < 15_000, "what else is to be said goes under deploy/docs"


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(README.parent / place).resolve() for place, _ in links(README)}
    assert [page for page in PAGES if page != README and page not in linked] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", TEXT)) | set(re.findall(r"^make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_apf_command_line_in_it_is_one_that_the_command_takes() -> None:
    commands = known_commands()
    lines = re.findall(r"^(?:\$ )?apf (.+?)(?:\s+#.*)?$", TEXT, re.MULTILINE)
    assert lines
    for line in lines:
        name, *rest = shlex.split(line)
        known = {option for one in commands[name].params for option in (*one.opts, *one.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= known, f"apf {line}"


def test_the_example_configurations_are_right(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    (shapes,) = re.findall(r"```toml\n(.*?)```", (ROOT / "deploy/docs/policies.md").read_text(), re.DOTALL)
    file = tmp_path / "factory.toml"
    file.write_text(example)
    assert load(file).queues
    rest = re.sub(r"\[clouds\.spot\]\n.*?(?=\n\[)", "", example, flags=re.DOTALL)
    file.write_text(rest + shapes)
    assert {"spot-small", "spot-large"} < set(load(file).clouds)


def links(page: Path) -> list[tuple[str, str]]:
    """Of a page: where each of its links to a file of ours goes, and to which heading there."""
    return re.findall(r"\]\((?!http)([^)#\s]*)#?([^)\s]*)\)", page.read_text())


def anchors(page: Path) -> set[str]:
    """As Markdown's readers make them of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_to_a_file_and_a_heading_that_is_there(page: Path) -> None:
    for place, heading in links(page):
        target = page.parent / place if place else page
        assert target.exists(), place
        assert not heading or heading in anchors(target), f"{place}#{heading}"


def test_every_command_that_a_trouble_or_an_alert_advises_is_one_that_the_command_takes() -> None:
    """An operator types what is advised, at night: a missing option there is a fault."""
    advice = (ROOT / "actors/console/troubles.py").read_text() + (ROOT / "deploy/prometheus/alerts.yml").read_text()
    lines = re.findall(r"apf ((?:thaw|release|dead|why|run|check) [A-Z][^\"`;\n]*)", advice)
    assert len(lines) >= 5
    commands = known_commands()
    for line in lines:
        name, *rest = line.rstrip(".").split()
        params = commands[name].params
        needed = {one.opts[-1] for one in params if one.required and one.param_type_name == "option"}
        known = {option for one in params for option in (*one.opts, *one.secondary_opts)}
        used = {word for word in rest if word.startswith("--")}
        assert needed <= used <= known, f"apf {line}"
