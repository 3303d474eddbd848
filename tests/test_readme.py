"""What the README says is what the code does."""

import re
import shlex
from pathlib import Path

from actors.config.load import load
from tests.readme import README, known_commands, written

ROOT = README.parent
TEXT = README.read_text()


def test_commands_lifecycle_metrics_and_config_keys_are_those_of_the_code() -> None:
    assert written(TEXT) == TEXT, "run `python -m tests.readme`"


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


def test_the_example_configuration_is_right(tmp_path: Path) -> None:
    example, shapes = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "factory.toml"
    file.write_text(example)
    assert load(file).queues
    rest = re.sub(r"\[clouds\.spot\]\n.*?(?=\n\[)", "", example, flags=re.DOTALL)
    file.write_text(rest + shapes)
    assert {"spot-small", "spot-large"} < set(load(file).clouds)


def test_every_file_that_it_points_to_is_there() -> None:
    for place in re.findall(r"\]\((?!http|#)([^)#]+)", TEXT):
        assert (ROOT / place).exists(), place


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
