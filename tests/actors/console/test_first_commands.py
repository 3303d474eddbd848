"""The first hour: a configuration from a few answers, files that come beside the code, a report of what is wrong."""

from __future__ import annotations

import json
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from actors.cli import app
from actors.config.load import load
from actors.console import shipped
from actors.console.bug_report import struck, version
from actors.console.first_config import QUESTIONS

ROOT = Path(__file__).parents[3]
EC2 = ("--region", "eu-west-1", "--image", "ami-1", "--type", "c5.xlarge")
OPENSTACK = ("--kind", "openstack", "--account", "facility", "--image", "Debian 13", "--type", "m1.large")


def apf(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def init(file: Path, *words: str) -> Result:
    return apf("init", str(file), "--collector", "cm.example.org", *words)


@pytest.mark.parametrize("words", [EC2, OPENSTACK])
def test_what_init_writes_is_a_right_configuration(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "factory.toml"
    assert init(file, *words, "--queue", "atlas", "--cpus", "8").exit_code == 0
    config = load(file)
    assert config.queues["atlas"].jobs == 'MATCH_APF_QUEUE == "atlas"'
    assert config.clouds["main"].shape.cpus == 8


def test_what_is_not_said_and_has_no_default_is_named_where_nobody_can_be_asked(tmp_path: Path) -> None:
    result = init(tmp_path / "factory.toml", "--image", "ami-1", "--type", "c5.xlarge")
    assert result.exit_code == 2
    assert "say --region" in result.stderr
    assert not (tmp_path / "factory.toml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cpus", "0"), "--cpus '0' cannot be: allowed: a whole number"),
        (("--queue", "x]\n[y"), "--queue"),
        (("--kind", "azure"), "allowed: ec2 or openstack"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_what_may_be(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    result = init(tmp_path / "factory.toml", *EC2, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "factory.toml").exists()


def test_answers_are_text_and_nothing_else_whatever_stands_in_them(tmp_path: Path) -> None:
    file, odd = tmp_path / "factory.toml", 'a "b" \\ é 😀 # c'
    assert init(file, *EC2, "--image", odd).exit_code == 0
    assert tomllib.loads(file.read_text())["clouds"]["main"]["image"] == odd


def test_a_file_that_is_there_is_kept_unless_force_is_said(tmp_path: Path) -> None:
    file = tmp_path / "factory.toml"
    file.write_text("mine")
    assert init(file, *EC2).exit_code == 2
    assert file.read_text() == "mine"
    assert init(file, *EC2, "--force").exit_code == 0
    assert load(file).queues


def test_every_question_is_an_option_of_init() -> None:
    shown = apf("init", "--help").output
    assert not [one.key for one in QUESTIONS if f"--{one.key.replace('_', '-')}" not in shown]


def test_files_are_written_out_once_and_what_an_operator_changed_is_not_written_over(tmp_path: Path) -> None:
    assert apf("files", str(tmp_path)).exit_code == 0
    for place, body in shipped.shipped():
        assert (tmp_path / place).read_bytes() == body == (ROOT / place).read_bytes()
    assert (tmp_path / "deploy/redis/fill.sh").stat().st_mode & 0o111
    assert "nothing to do" in apf("files", str(tmp_path)).output
    mine = tmp_path / "deploy/systemd/apf.service"
    mine.write_text("mine")
    (tmp_path / "configs/minimal.toml").unlink()
    refused = apf("files", str(tmp_path))
    assert refused.exit_code == 1
    assert str(mine) in refused.stderr
    assert not (tmp_path / "configs/minimal.toml").exists(), "all or nothing"
    assert apf("files", str(tmp_path), "--force").exit_code == 0
    assert "ExecStart" in mine.read_text()


def test_what_files_writes_is_data_of_the_wheel() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    globs = [f"{package.replace('.', '/')}/{pattern}" for package, patterns in told.items() for pattern in patterns]
    places = [str(place) for place, _ in shipped.shipped()]
    assert len(places) >= 15
    assert [place for place in places if not any(fnmatch(place, glob) for glob in globs)] == []


def test_the_schema_is_printed_whole() -> None:
    result = apf("schema")
    assert result.exit_code == 0
    Draft202012Validator.check_schema(json.loads(result.output))


def test_the_version_is_the_packages() -> None:
    assert apf("--version").output == f"apf {version()}\n"
    assert version() == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_a_report_of_a_factory_whose_redis_is_away_says_so_and_tells_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "factory.toml"
    init(file, *EC2)
    text = file.read_text().replace('redis = "embedded"', f'redis = "embedded"\ndirectory = "{tmp_path}/state"')
    file.write_text(text.replace("mint-worker-token", 'mint-worker-token", "--key=hunter2'))
    result = apf("doctor", "report", str(file))
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert report["versions"]["autopyfactory-cloud"] == version()
    assert "failed" in report["status"]
    assert report["configuration"]["pools"]["local"]["collector"] == "cm.example.org"
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"password": "hunter2"}, {"password": "***"}),
        ({"password": "file:/etc/apf/password"}, {"password": "file:/etc/apf/password"}),
        ({"worker_token_command": ["mint", "hunter2"]}, {"worker_token_command": ["mint", "***"]}),
        ({"environment": {"KEY": "hunter2"}}, {"environment": {"KEY": "***"}}),
        ({"url": "redis://me:hunter2@redis:6379"}, {"url": "redis://***@redis:6379"}),
        ({"clouds": {"x": {"request": {"A": "hunter2"}}}}, {"clouds": {"x": {"request": {"A": "***"}}}}),
        ({"list": [{"token": "hunter2"}, 1, None]}, {"list": [{"token": "***"}, 1, None]}),
        ({"max_vms": 3, "collector": "cm"}, {"max_vms": 3, "collector": "cm"}),
    ],
)  # fmt: skip
def test_what_may_be_a_secret_is_struck_out(said: Any, told: Any) -> None:
    assert struck(said) == told
