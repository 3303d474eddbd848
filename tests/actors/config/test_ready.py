"""What a configuration lacks that is right key by key: no VM is ever started by it, or it is less safe than may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.load import load, parse
from actors.config.ready import doubts

CONFIGS = Path(__file__).parents[3] / "configs"
MINIMAL = (CONFIGS / "minimal.toml").read_text()


def told(old: str = "", new: str = "") -> list[tuple[str, bool]]:
    assert old in MINIMAL
    found = doubts(parse(MINIMAL.replace(old, new, 1)))
    return [(f"{'.'.join(map(str, one.path))}: {one.said}; {one.hint}", one.never) for one in found]


@pytest.mark.parametrize("name", sorted(file.name for file in CONFIGS.glob("*.toml")))
def test_of_the_examples_nothing_is_doubted(name: str) -> None:
    assert doubts(load(CONFIGS / name)) == ()


def test_without_a_command_for_workers_tokens_no_vm_is_started() -> None:
    command = next(line for line in MINIMAL.splitlines() if line.startswith("worker_token_command"))
    ((said, never),) = told(command, "")
    assert never
    assert said.startswith("pools.local.worker_token_command: missing")


@pytest.mark.parametrize(
    "jobs",
    [
        "MATCH_APF_QUEUE == atlas",
        'atlas =?= MATCH_APF_QUEUE && Owner == "x"',
        "JobUniverse == 5 && (MATCH_APF_QUEUE is atlas)",
        "Owner==alice",
        "Group != atlas",
    ],
)
def test_a_text_that_was_left_without_quotes_is_no_text(jobs: str) -> None:
    ((said, never),) = told('MATCH_APF_QUEUE == "atlas"', jobs)
    assert never
    assert "without quotes" in said
    assert "MY." in said


@pytest.mark.parametrize(
    "jobs",
    [
        'MATCH_APF_QUEUE == "atlas is = atlas"',
        "MATCH_APF_QUEUE == MY.atlas",
        "MATCH_APF_QUEUE is undefined && WantCloud",
        "RequestCpus == RequestMemory",
        "WantCloud == true",
        'Group == toLower("ATLAS")',
        'Group == strcat(MY.a, "b")',
        "time() > 3",
        "true",
    ],
)
def test_other_comparisons_are_left_alone(jobs: str) -> None:
    assert told('MATCH_APF_QUEUE == "atlas"', jobs) == []


@pytest.mark.parametrize("jobs", ['"atlas"', "false", "3 > 4", "undefined", "1 / 0 == 1"])
def test_a_condition_that_no_job_can_meet_is_told(jobs: str) -> None:
    ((said, never),) = told('MATCH_APF_QUEUE == "atlas"', jobs)
    assert never
    assert "for every job: none is ever its own" in said


@pytest.mark.parametrize(
    ("redis", "doubted"),
    [
        ("redis://redis.example.org:6379/0", ["redis.example.org"]),
        ("redis://apf@10.0.0.7/0", ["10.0.0.7"]),
        ("sentinel://a.example.org:26379,127.0.0.1:26379/0?master=apf", ["a.example.org"]),
        ("redis://localhost:6379/0", []),
        ("redis://[::1]:6379/0", []),
        ("redis://127.0.0.2/0", []),
        ("rediss://redis.example.org:6379/0", []),
    ],
)
def test_a_redis_elsewhere_without_tls_is_doubted_and_can_be_used(redis: str, doubted: list[str]) -> None:
    found = told('name = "minimal"', f'name = "minimal"\nredis = "{redis}"')
    assert [(said.split(": ")[1], never) for said, never in found] == [(host, False) for host in doubted]


def test_an_endpoint_elsewhere_without_tls_is_doubted_and_can_be_used() -> None:
    ((said, never),) = told("https://cloud.example.org", "http://cloud.example.org")
    assert "in plain" in said
    assert not never
    assert told("https://cloud.example.org:8773/", "http://localhost:8773/") == []


@pytest.mark.parametrize(
    ("options", "what", "never"),
    [
        ('HttpTokens = "optional", HttpPutResponseHopLimit = 1', "HttpTokens = 'optional'", False),
        ("HttpPutResponseHopLimit = 1", "HttpTokens = None", False),
        ('HttpTokens = "required", HttpPutResponseHopLimit = 2', "HopLimit = 2", False),
        ('HttpTokens = "required", HttpPutResponseHopLimit = 1, HttpEndpoint = "disabled"', "never joins", True),
    ],
)
def test_metadata_options_that_take_the_protection_back_are_doubted(options: str, what: str, never: bool) -> None:
    found = told("max_vms = 10", f"max_vms = 10\nrequest = {{ MetadataOptions = {{ {options} }} }}")
    assert any(what in said and never is fatal for said, fatal in found), found


def test_metadata_options_that_keep_it_are_not_doubted() -> None:
    options = 'HttpTokens = "required", HttpPutResponseHopLimit = 1, HttpProtocolIpv6 = "disabled"'
    assert told("max_vms = 10", f"max_vms = 10\nrequest = {{ MetadataOptions = {{ {options} }} }}") == []


@pytest.mark.parametrize(
    ("line", "told_of"),
    [
        ('START = TARGET.Owner == "me"', "it sets START: jobs that a drain would evict are let in"),
        ("  start=true", "it sets start: jobs that a drain would evict are let in"),
        ("STARTD.START = true", "it sets START: "),
        ("MAXJOBRETIREMENTTIME = 3600", "it sets MAXJOBRETIREMENTTIME: with less than years a drain evicts jobs"),
        ("STARTD_ATTRS = Mine", "it sets STARTD_ATTRS: the startd does not say which instance it is"),
        ("PREEMPT = true", "it sets PREEMPT: "),
        ("START = ($(START)) && (TARGET.RequestCpus < 4)", ""),
        ("STARTD_ATTRS = $(STARTD_ATTRS) Mine", ""),
        ("STARTD_CRON_JOBLIST = health", ""),
        ("# START = true", ""),
    ],
)
def test_lines_of_worker_config_that_take_a_guard_away_are_named(line: str, told_of: str) -> None:
    found = told("max_vms", f"worker_config = '''STATISTICS_TO_PUBLISH = ALL\n{line}'''\nmax_vms")
    assert [told_of in said and not never for said, never in found] == ([True] if told_of else [])


TWO_QUEUES = (CONFIGS / "two-queues.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "doubted"),
    [
        ('pool = "panda"\n', 'pool = "panda"\nmin_idle_age_s = 60\n', "queues.panda-cern.min_idle_age_s"),
        ('pool = "panda"\n', 'pool = "panda"\ncount_held = true\n', "queues.panda-cern.count_held"),
        ('#specs = "server"', 'specs = "none"', "queues.panda-cern.steps.1 queues.panda-cern.steps.2"),
        ("https://pandaserver", "http://pandaserver", ""),
        (
            'url = "https://pandaserver.example.org:25443"',
            'url = "http://panda:25080"\ntoken = "env:T"',
            "pools.panda.url",
        ),
        ('url = "https://pandaserver.example.org:25443"', 'url = "http://localhost:25080"\ntoken = "env:T"', ""),
    ],
)
def test_what_a_source_of_demand_cannot_tell_or_should_not_be_told_is_doubted(old: str, new: str, doubted: str) -> None:
    assert old in TWO_QUEUES
    found = doubts(parse(TWO_QUEUES.replace(old, new, 1)))
    assert [".".join(map(str, one.path)) for one in found] == doubted.split()
    assert not any(one.never for one in found)
