"""The worker's user-data: what is in it, and that no fact can break it."""

from __future__ import annotations

import configparser
import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.worker.start_expression import start
from actors.clouds.worker.user_data import TemplateMistake, Worker, render, template, values, worker
from actors.config.policy_rules import rules_of
from actors.config.schema import Config
from actors.policies import worker_ad
from deploy.lab.cloud.api import IMAGE
from tests.actors.stage import CONFIG as SITE

WORKER = Worker(
    factory="prod",
    cloud="spot",
    queue="atlas",
    collector="cm.example.org:9618",
    token="head.claims.signature",
    start=start('MATCH_APF_QUEUE == "atlas"'),
    unclaimed_poweroff_s=1234,
    trust_domain="example.org",
)
CONFIG = "/etc/condor/config.d/50-apf.conf"


def document(facts: Worker = WORKER, text: str | None = None) -> dict[str, Any]:
    rendered = render(template() if text is None else text, facts)
    assert rendered.startswith("#cloud-config\n")
    return dict(yaml.safe_load(rendered))


def files(facts: Worker = WORKER) -> dict[str, dict[str, str]]:
    return {one["path"]: one for one in document(facts)["write_files"]}


def settings(facts: Worker = WORKER) -> dict[str, str]:
    lines = files(facts)[CONFIG]["content"].splitlines()
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines if "=" in line and line[:1] != "#")


def test_the_token_is_in_a_file_of_its_own_that_only_root_reads() -> None:
    token = files()["/etc/condor/tokens.d/apf"]
    assert (token["content"], token["permissions"]) == ("head.claims.signature\n", "0600")
    assert "head.claims" not in files()[CONFIG]["content"]


def test_the_worker_says_whose_it_is() -> None:
    found = settings()
    assert (found["APFFactory"], found["APFCloud"], found["APFQueue"]) == ('"prod"', '"spot"', '"atlas"')
    assert {"APFFactory", "APFCloud", "APFQueue"} <= set(found["STARTD_ATTRS"].split())


def test_running_jobs_are_left_alone_for_years() -> None:
    found = settings()
    assert found["MAXJOBRETIREMENTTIME"] == found["SHUTDOWN_GRACEFUL_TIMEOUT"] == "315360000"
    assert (found["PREEMPT"], found["SUSPEND"], found["KILL"], found["RANK"]) == ("false", "false", "false", "0")


def test_start_takes_the_queues_jobs_and_refuses_short_retirements() -> None:
    assert settings()["START"] == WORKER.start
    assert 'TARGET.MATCH_APF_QUEUE == "atlas"' in WORKER.start
    assert "TARGET.MaxJobRetirementTime >= $(MAXJOBRETIREMENTTIME)" in WORKER.start


def test_the_worker_is_reached_through_the_collector_and_trusts_tokens_only() -> None:
    found = settings()
    assert found["COLLECTOR_HOST"] == "cm.example.org:9618"
    assert found["CCB_ADDRESS"] == "$(COLLECTOR_HOST)"
    assert found["SEC_DEFAULT_AUTHENTICATION_METHODS"] == "IDTOKENS"
    assert found["TRUST_DOMAIN"] == "example.org"
    assert "TRUST_DOMAIN" not in settings(dataclasses.replace(WORKER, trust_domain=""))


def test_there_is_no_startd_before_the_instance_is_known_by_name() -> None:
    assert settings()["DAEMON_LIST"] == "MASTER"
    assert "DAEMON_LIST = MASTER, STARTD" in files()["/usr/local/sbin/apf-worker"]["content"]


def test_both_dead_mans_switches_are_set_to_the_clouds_limit() -> None:
    assert settings()["STARTD_NOCLAIM_SHUTDOWN"] == "1234"
    assert "limit=1234\n" in files()["/usr/local/sbin/apf-watchdog"]["content"]


def test_the_watchdog_runs_before_anything_that_may_fail() -> None:
    commands = document()["runcmd"]
    assert [command[-1] for command in commands] == [
        "daemon-reload",
        "apf-watchdog.service",
        "/usr/local/sbin/apf-boot",
    ]


def test_slots_are_partitionable_or_static() -> None:
    assert settings()["SLOT_TYPE_1_PARTITIONABLE"] == "true"
    assert settings(dataclasses.replace(WORKER, slots="static"))["SLOT_TYPE_1"] == "cpus=1"


def test_an_operators_lines_come_last() -> None:
    found = files(dataclasses.replace(WORKER, worker_config="GPU = 1\nSTART = false"))[CONFIG]["content"]
    assert found.strip().endswith("GPU = 1\nSTART = false")


def test_user_data_fits_into_what_ec2_takes() -> None:
    assert len(render(template(), WORKER).encode()) < 16_384


def test_every_script_is_good_shell(tmp_path: Path) -> None:
    scripts = [one["content"] for one in files().values() if one["content"].startswith("#!/bin/sh\n")]
    assert len(scripts) == 7
    for script in scripts:
        file = tmp_path / "script"
        file.write_text(script)
        done = subprocess.run(["/bin/sh", "-n", file], capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@given(token=st.text(), lines=st.text(), name=st.text())
def test_no_fact_breaks_the_yaml(token: str, lines: str, name: str) -> None:
    facts = dataclasses.replace(WORKER, token=token, worker_config=lines, trust_domain=name)
    try:
        known = values(facts)
    except TemplateMistake:
        return
    text = "#cloud-config\na: '${apf.token}'\nb: |\n  first\n  ${apf.worker_config}\n'${apf.trust_domain}': 0644\n"
    found = document(facts, text)
    assert found == {
        "a": known["token"],
        "b": f"first\n{lines}\n",
        known["trust_domain"]: 0o644,
    }


def test_a_fact_is_not_filled_in_twice() -> None:
    facts = dataclasses.replace(WORKER, worker_config="${apf.token}")
    assert "${apf.token}" in files(facts)[CONFIG]["content"]


def test_a_template_of_an_operators_own_keeps_what_is_not_ours() -> None:
    text = "#cloud-config\nruncmd: ['echo ${apf.queue} ${HOME} $(hostname) {{ v1 }} $$']\nn: 3\nd: 2024-01-02\n"
    found = document(text=text)
    assert found["runcmd"] == ["echo atlas ${HOME} $(hostname) {{ v1 }} $$"]
    assert (found["n"], str(found["d"])) == (3, "2024-01-02")


def test_a_shell_script_is_filled_in_as_it_is() -> None:
    assert render("#!/bin/sh\necho '${apf.queue}'  \n", WORKER) == "#!/bin/sh\necho 'atlas'  \n"


def test_a_place_that_there_is_not_is_a_mistake_with_a_hint() -> None:
    with pytest.raises(TemplateMistake, match="did you mean queue"):
        render("#cloud-config\na: ${apf.queu}\n", WORKER)
    with pytest.raises(TemplateMistake, match="known are"):
        render("#!/bin/sh\n${apf.zzz}\n", WORKER)


def test_a_template_that_is_no_yaml_is_a_mistake() -> None:
    with pytest.raises(TemplateMistake, match="no YAML"):
        render("#cloud-config\na: [\n", WORKER)


@pytest.mark.parametrize("field", ["collector", "start", "trust_domain", "token"])
def test_a_fact_of_several_lines_is_a_mistake(field: str) -> None:
    with pytest.raises(TemplateMistake, match=field):
        render(template(), dataclasses.replace(WORKER, **{field: "a\nSTART = true"}))


def test_a_worker_does_not_show_its_token() -> None:
    assert "head.claims" not in repr(WORKER)


def test_a_worker_is_made_from_the_configuration() -> None:
    config = Config.model_validate(
        {
            "factory": {"name": "prod"},
            "pools": {
                "local": {
                    "kind": "htcondor",
                    "collector": "cm",
                    "worker_collector": "cm.public:9618",
                    "trust_domain": "example.org",
                }
            },
            "clouds": {
                "spot": {
                    "kind": "ec2",
                    "region": "r",
                    "image": IMAGE,
                    "instance_type": "t",
                    "max_vms": 1,
                    "shape": {"cpus": 1, "memory_mib": 1},
                    "unclaimed_poweroff_s": 60,
                    "worker_config": "A = 1",
                }
            },
            "queues": {
                "atlas": {"pool": "local", "jobs": "Q == 1", "cascade": [["spot"]], "start": "B", "slots": "static"}
            },
        }
    )
    assert worker(config, "spot", "atlas", "a.b.c") == Worker(
        factory="prod",
        cloud="spot",
        queue="atlas",
        collector="cm.public:9618",
        token="a.b.c",
        start=start("Q == 1", "B"),
        slots="static",
        unclaimed_poweroff_s=60,
        trust_domain="example.org",
        worker_config="A = 1",
    )


def test_no_htcondor_starts_at_any_boot_before_the_metadata_service_is_closed() -> None:
    made = files()
    unit, added = configparser.ConfigParser(), configparser.ConfigParser()
    unit.read_string(made["/etc/systemd/system/apf-metadata.service"]["content"])
    added.read_string(made["/etc/systemd/system/condor.service.d/50-apf.conf"]["content"])
    assert unit["Service"]["ExecStart"] == "/usr/local/sbin/apf-metadata"
    assert (unit["Service"]["Type"], unit["Service"]["RemainAfterExit"]) == ("oneshot", "yes")
    assert (added["Unit"]["Requires"], added["Unit"]["After"]) == ("apf-metadata.service", "apf-metadata.service")
    boot = made["/usr/local/sbin/apf-boot"]["content"]
    assert "set -eu" in boot
    assert boot.index("enable --now apf-metadata.service") < boot.index("enable --now condor.service")


def test_the_prototype_says_what_the_user_data_makes_a_worker_say() -> None:
    """Both are made from one list: what is in the one and not in the other would buy in vain, or not at all."""
    script = files()["/usr/local/sbin/apf-worker"]["content"]
    in_config = set(settings()["STARTD_ATTRS"].split()) - {"$(STARTD_ATTRS)"}
    in_script = set(re.findall(r"echo 'STARTD_ATTRS = \$\(STARTD_ATTRS\) ([^']*)'", script)[0].split())
    slot = rules_of(SITE, "atlas").clouds["private"].slot.splitlines()
    prototype = {line.partition(" = ")[0] for line in slot}
    assert in_config | in_script == set(worker_ad.OF_WORKER) | set(worker_ad.OF_INSTANCE)
    assert in_config | in_script <= prototype


CVMFS = dataclasses.replace(
    WORKER, cvmfs=("atlas.cern.ch", "sft-nightlies.cern.ch"), cvmfs_proxy="http://a:3128|http://b:3128;DIRECT"
)


def test_a_worker_without_cvmfs_knows_nothing_of_it() -> None:
    assert "APFCvmfs" not in WORKER.start
    assert "install_cvmfs\n" not in files()["/usr/local/sbin/apf-worker"]["content"]
    assert "if [ -n '' ]; then" in files()["/usr/local/sbin/apf-boot"]["content"]


def test_cvmfs_is_mounted_from_the_clouds_proxy() -> None:
    mounted = files(CVMFS)["/etc/cvmfs/default.local"]["content"].splitlines()
    assert mounted == [
        "CVMFS_REPOSITORIES='atlas.cern.ch,sft-nightlies.cern.ch'",
        "CVMFS_HTTP_PROXY='http://a:3128|http://b:3128;DIRECT'",
    ]
    assert (
        "if [ -n 'atlas.cern.ch sft-nightlies.cern.ch' ]; then" in files(CVMFS)["/usr/local/sbin/apf-boot"]["content"]
    )


@pytest.mark.parametrize("there", [(), ("atlas.cern.ch",), CVMFS.cvmfs])
def test_the_worker_says_of_each_repository_whether_it_answers(there: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "apf-cvmfs"
    script.write_text(files(CVMFS)["/usr/local/libexec/apf-cvmfs"]["content"])
    for name in CVMFS.cvmfs:
        (tmp_path / "cvmfs" / name).mkdir(parents=True)  # an empty folder is a mount point without its mount
    for name in there:
        (tmp_path / "cvmfs" / name / "repo").touch()
    done = subprocess.run(["/bin/sh", script, tmp_path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        f"HAS_CVMFS_atlas_cern_ch = {str('atlas.cern.ch' in there).lower()}",
        f"HAS_CVMFS_sft_nightlies_cern_ch = {str('sft-nightlies.cern.ch' in there).lower()}",
        f"APFCvmfs = {str(there == CVMFS.cvmfs).lower()}",
        "-",
    ]


def test_jobs_start_only_while_all_repositories_answer_and_may_ask_for_one_before_there_is_a_worker() -> None:
    mounts = {"cvmfs": ("atlas.cern.ch",), "cvmfs_proxy": "DIRECT"}
    config = SITE.model_copy(update={"clouds": {"spot": SITE.clouds["private"].model_copy(update=mounts)}})
    config = config.model_copy(
        update={"queues": {"atlas": SITE.queues["atlas"].model_copy(update={"cascade": (("spot",),)})}}
    )
    made = worker(config, "spot", "atlas", "t")
    assert made.start.endswith("&& MY.APFCvmfs =?= true")
    assert (made.cvmfs, made.cvmfs_proxy) == (("atlas.cern.ch",), "DIRECT")
    slot = rules_of(config, "atlas").clouds["spot"].slot
    assert "HAS_CVMFS_atlas_cern_ch = true" in slot.splitlines()


def test_a_template_of_an_operators_own_that_mounts_none_is_a_mistake_where_the_cloud_has_cvmfs() -> None:
    with pytest.raises(TemplateMistake, match="mounts none"):
        render("#cloud-config\nruncmd: []\n", CVMFS)
    assert len(render(template(), CVMFS).encode()) < 16_384
