"""Both queues of an AutoPyFactory site become ours: pilots for PanDA, and VMs for the pilots."""

from __future__ import annotations

import tomllib

import pytest

from actors.clouds.condor_jobs.description import request_of
from actors.clouds.port import Order
from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.config.schema import CondorJobsCloud, Config, PandaPool
from actors.console.import_apf import Imported, convert

TWO_QUEUES = """
[DEFAULT]
enabled = True
batchstatusplugin = Condor
apfqueue.sleep = 60
etc = /etc/apf

[CERN_PANDA]
wmsqueue = CERN-CLOUD
wmsstatusplugin = Panda
batchsubmitplugin = CondorLocal
schedplugin = Activated, MaxPerCycle, StatusTest, StatusOffline, MaxToRun
sched.maxpercycle.maximum = 50
sched.statustest.pilots = 2
sched.maxtorun.maximum = 300
executable = /usr/libexec/wrapper.sh
executable.defaultarguments = --wrapperwmsqueue=%(wmsqueue)s
executable.arguments = %(executable.defaultarguments)s -u managed
batchsubmit.condorlocal.environ = "APFFID=factory RUCIO_ACCOUNT='pilot one'"
batchsubmit.condorlocal.proxy = atlas-production
batchsubmit.condorlocal.condor_attributes = +xcount = 8, +maxMemory = 16000, +remote_queue = "a, b",
  periodic_remove = (JobStatus == 5 && (CurrentTime - EnteredCurrentStatus) > 3600)
batchsubmit.condorlocal.condor_attributes.+voactivity = "production"
monitorsection = dummy-monitor

[CERN_VMS]
wmsqueue = CERN_PANDA
wmsstatusplugin = Condor
batchsubmitplugin = CondorEC2
schedplugin = Ready, MaxToRun
sched.maxtorun.maximum = 40
batchsubmit.condorec2.gridresource = ec2 https://cloud.example.org:8773/services/Cloud
batchsubmit.condorec2.ami_id = ami-00000011
batchsubmit.condorec2.instance_type = m5.2xlarge
batchsubmit.condorec2.access_key_id = %(etc)s/key-id
batchsubmit.condorec2.secret_access_key = %(etc)s/secret
"""
URL = 'kind = "panda"'


def said(found: Imported) -> Config:
    """With what a person has to say: PanDA's address."""
    return parse(found.toml.replace(URL, f'{URL}\nurl = "https://panda.example.org:25443"'))


def changed(*pairs: tuple[str, str]) -> Imported:
    text = TWO_QUEUES
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return convert(text)


def pilots(config: Config) -> CondorJobsCloud:
    found = config.clouds["cern_panda"]
    assert isinstance(found, CondorJobsCloud)
    return found


def test_both_queues_are_made_and_the_first_feeds_the_second() -> None:
    config = said(convert(TWO_QUEUES))
    first, second = config.queues["cern-cloud"], config.queues["cern_panda"]
    assert (first.pool, first.jobs, first.cascade) == ("panda", 'ComputingSite == "CERN-CLOUD"', (("cern_panda",),))
    assert (second.pool, second.jobs, second.cascade) == ("local", 'MATCH_APF_QUEUE == "CERN_PANDA"', (("cern_vms",),))
    assert isinstance(config.pools["panda"], PandaPool)
    assert (pilots(config).feeds, pilots(config).match_apf_queue) == ("cern_panda", "CERN_PANDA")


def test_panda_address_was_never_said_and_has_to_be() -> None:
    with pytest.raises(BadConfig) as wrong:
        parse(convert(TWO_QUEUES).toml)
    assert [mistake.place for mistake in wrong.value.mistakes] == ["pools.panda.url"]


def test_a_pilot_is_what_it_was() -> None:
    cloud = pilots(said(convert(TWO_QUEUES)))
    assert (cloud.executable, cloud.arguments) == ("/usr/libexec/wrapper.sh", "--wrapperwmsqueue=CERN-CLOUD -u managed")
    assert cloud.environment == {"APFFID": "factory", "RUCIO_ACCOUNT": "pilot one"}
    assert (cloud.shape.cpus, cloud.shape.memory_mib, cloud.max_vms) == (8, 16_000, 300)
    assert cloud.submit["+remote_queue"] == '"a, b"'
    assert cloud.submit["+voactivity"] == '"production"'
    assert cloud.submit["periodic_remove"] == "(JobStatus == 5 && (CurrentTime - EnteredCurrentStatus) > 3600)"
    order = Order(intent="i", queue="cern-cloud", count=1, token="t", user_data="", decision="d")
    assert "APF_INTENT" in request_of(cloud, "apf", "cern_panda", order)


def test_the_steps_that_need_the_sites_status_are_kept_for_panda() -> None:
    steps = said(convert(TWO_QUEUES)).queues["cern-cloud"].steps
    assert list(steps) == [
        {"step": "max-per-cycle", "maximum": 50},
        {"step": "status-test", "pilots": 2},
        {"step": "status-offline"},
    ]


def test_what_has_no_counterpart_is_noted_and_nothing_else() -> None:
    notes = [note for note in convert(TWO_QUEUES).notes if not note.startswith("to be corrected")]
    assert notes == [
        "[CERN_PANDA] periodic_remove is kept: it may take pilots that run, with their payloads",
        "[CERN_PANDA] batchsubmit.condorlocal.proxy = 'atlas-production' is a section of proxy.conf: say its file,"
        " proxy = PATH",
        "[CERN_PANDA] monitorsection = 'dummy-monitor' has no counterpart and is left out",
    ]


@pytest.mark.parametrize(
    ("plugin", "key", "value", "resource"),
    [
        ("CondorOSGCE", "gridresource", "ce.example.org", "condor ce.example.org ce.example.org:9619"),
        ("CondorSlurm", "gridresource", "", "batch slurm"),
        ("CondorLSF", "gridresource", "", "batch lsf"),
        ("CondorSSH", "host", "login.example.org", "batch pbs @login.example.org"),
        ("CondorGrid", "gridresource", "arc https://arc.example.org", "arc https://arc.example.org"),
    ],
)
def test_the_friends_of_condor_local_are_universes_of_the_schedd(
    plugin: str, key: str, value: str, resource: str
) -> None:
    lower = f"batchsubmit.{plugin.lower()}"
    found = changed(
        ("batchsubmitplugin = CondorLocal", f"batchsubmitplugin = {plugin}\n{lower}.{key} = {value}"),
        ("batchsubmit.condorlocal", lower),
    )
    submit = pilots(said(found)).submit
    assert (submit["universe"], submit["grid_resource"]) == ("grid", resource)


@pytest.mark.parametrize("plugin", ["CondorGT2", "CondorGT5", "CondorCREAM", "CondorNordugrid", "CondorDeltacloud"])
def test_what_htcondor_has_dropped_is_refused_until_a_person_looks_at_it(plugin: str) -> None:
    found = changed(("CondorLocal", plugin), ("condorlocal", plugin.lower()))
    with pytest.raises(BadConfig) as wrong:
        said(found)
    assert [mistake.place for mistake in wrong.value.mistakes] == ["clouds.cern_panda.executable"]
    assert any("HTCondor knows no" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("+xcount = 8, ", "", "clouds.cern_panda.shape"),
        ("sched.maxtorun.maximum = 300", "", "clouds.cern_panda.max_vms"),
        ("executable = /usr/libexec/wrapper.sh", "", "clouds.cern_panda.executable"),
    ],
)
def test_what_decides_what_is_sent_is_not_made_up(old: str, new: str, refused: str) -> None:
    with pytest.raises(BadConfig) as wrong:
        said(changed((old, new)))
    assert [mistake.place for mistake in wrong.value.mistakes] == [refused]


def test_several_targets_of_one_site_are_tiers_and_pilots_without_a_second_queue_feed_none() -> None:
    more = """
[CERN_CE]
wmsqueue = CERN-CLOUD
wmsstatusplugin = Panda
batchsubmitplugin = CondorOSGCE
batchsubmit.condorosgce.gridresource = ce.example.org
batchsubmit.condorosgce.condor_attributes = +xcount = 8, +maxMemory = 16000
executable = /usr/libexec/wrapper.sh
sched.maxtorun.maximum = 10
sched.ready.offset = 20
"""
    config = said(convert(TWO_QUEUES + more))
    assert config.queues["cern-cloud"].cascade == (("cern_panda",), ("cern_ce",))
    ce = config.clouds["cern_ce"]
    assert isinstance(ce, CondorJobsCloud)
    assert ce.feeds is None


@pytest.mark.parametrize(
    "evil", ['x"\n[pools.stranger]', "x'", 'a = "', "((((((", "+a = (1,", "\\", "=", ",,,", "+b = \x7f\U0001f600"]
)
@pytest.mark.parametrize("key", ["condor_attributes", "environ", "proxy"])
def test_no_text_gets_out_of_its_place(key: str, evil: str) -> None:
    old = next(line for line in TWO_QUEUES.splitlines() if line.startswith(f"batchsubmit.condorlocal.{key} ="))
    found = changed((old, f"batchsubmit.condorlocal.{key} = {evil}".replace("\n", "\n  ")))
    assert set(tomllib.loads(found.toml)["pools"]) == {"local", "panda"}
    assert all(note.isprintable() for note in found.notes)
