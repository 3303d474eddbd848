"""An AutoPyFactory configuration becomes ours: what it meant is kept, what has no counterpart is said."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.config.policy_rules import rules_of
from actors.config.ready import doubts
from actors.console.apf_machines import machine
from actors.console.import_apf import BadQueuesConf, Imported, convert

CASCADE = """
[DEFAULT]
enabled = True
wmsstatusplugin = Condor
batchstatusplugin = Condor
batchsubmitplugin = CondorEC2
etc = /etc/apf
batchsubmit.condorec2.access_key_id = %(etc)s/key-id
batchsubmit.condorec2.secret_access_key = %(etc)s/secret
apfqueue.sleep = 45
wmsqueue = BNL_ATLAS
schedplugin = Ready, MaxPerCycle, MaxToRun, MaxPending
sched.maxpercycle.maximum = 10
sched.maxpending.maximum = 25

[BNL_CLOUD]
batchsubmit.condorec2.gridresource = ec2 https://cloud.example.org:8773/services/Cloud
batchsubmit.condorec2.ami_id = ami-00000011
batchsubmit.condorec2.instance_type = m1.large
sched.maxtorun.maximum = 50

[EC2_SPOT]
batchsubmit.condorec2.gridresource = ec2 https://ec2.us-west-2.amazonaws.com/
batchsubmit.condorec2.ami_id = ami-2
batchsubmit.condorec2.instance_type = c7i.2xlarge
sched.maxtorun.maximum = 20
batchsubmit.condorec2.spot_price = .05
batchsubmit.condorec2.security_groups = a, b
sched.ready.offset = 100
monitorurl = http://monitor.example.org/

[OLD]
enabled = False
"""


def test_sections_on_one_wmsqueue_become_one_queue_with_a_cascade() -> None:
    config = parse(convert(CASCADE).toml)
    (queue,) = config.queues.values()
    assert queue.jobs == 'MATCH_APF_QUEUE == "BNL_ATLAS"'
    assert queue.cascade == (("bnl_cloud",), ("ec2_spot",))
    assert [step["step"] for step in queue.steps] == ["max-per-cycle", "max-pending"]
    assert rules_of(config, "bnl_atlas").queue.steps
    assert config.pools["local"].interval_s == queue.cycle_s == 45


def test_clouds_keep_their_place_image_price_and_limit() -> None:
    clouds = parse(convert(CASCADE).toml).clouds
    private, spot = clouds["bnl_cloud"], clouds["ec2_spot"]
    assert private.kind == spot.kind == "ec2"
    assert (private.endpoint, private.image, private.max_vms) == (
        "https://cloud.example.org:8773/services/Cloud",
        "ami-00000011",
        50,
    )
    assert (private.shape.cpus, private.shape.memory_mib) == (2, 7_300)
    assert (spot.shape.cpus, spot.shape.memory_mib) == (8, 15_564)
    assert (spot.endpoint, spot.region, spot.market, spot.max_usd_per_hour) == (None, "us-west-2", "spot", 0.05)
    assert spot.security_groups == ("a", "b")


def test_credentials_stay_in_their_files() -> None:
    accounts = parse(convert(CASCADE).toml).accounts
    assert accounts["bnl_cloud"].secret_access_key == "file:/etc/apf/secret"
    plain = CASCADE.replace("%(etc)s/secret", "AbCdEf")
    found = convert(plain)
    assert "AbCdEf" not in found.toml + " ".join(found.notes)
    assert any("write it to a file" in note for note in found.notes)


def test_what_has_no_counterpart_is_noted_and_nothing_else() -> None:
    assert convert(CASCADE).notes == (
        "not enabled, left out: OLD",
        "[EC2_SPOT] monitorurl = 'http://monitor.example.org/' has no counterpart and is left out",
    )


@pytest.mark.parametrize(
    ("key", "value", "note"),
    [
        ("batchsubmitplugin", "Exec", "no cloud is made of it: say [clouds.bnl_cloud]"),
        ("wmsstatusplugin", "Panda", "jobs are read from the HTCondor pool instead"),
        ("schedplugin", "Ready, Surprise", "to be corrected: queues.bnl_atlas.steps[0]"),
        ("schedplugin", "Ready, StatusTest", "an HTCondor pool does not tell a site's status"),
        ("schedplugin", "Throttle\nsched.throttle.interval = 7200", "interval_s of step 'throttle': seen 7200"),
        ("sched.maxpercycle.maximum", "ten", "'ten' is not a number"),
        ("sched.maxpercycle.maximum", "1.5", "to be corrected: queues.bnl_atlas.steps[0]"),
        ("batchsubmit.condorec2.secret_word", "hunter2", "(not shown) has no counterpart"),
        ("batchsubmit.condorec2.user_data", "#!/bin/sh", "workers get this project's user-data"),
    ],
)
def test_what_an_operator_must_look_at_is_noted(key: str, value: str, note: str) -> None:
    found = convert(CASCADE.replace("[DEFAULT]\n", "[DEFAULT]\n", 1).replace("\n[BNL", f"{key} = {value}\n\n[BNL", 1))
    assert any(note in one for one in found.notes), found.notes
    assert "hunter2" not in found.toml


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nenabled = True\n", "no section"])
def test_what_is_no_queues_conf_is_told(text: str) -> None:
    with pytest.raises(BadQueuesConf):
        convert(text)


def changed(old: str, new: str) -> Imported:
    assert old in CASCADE
    return convert(CASCADE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("c7i.2xlarge", "x9.huge", ["clouds.ec2_spot.shape"]),
        ("batchsubmit.condorec2.ami_id = ami-2", "", ["clouds.ec2_spot.image"]),
        (
            "batchsubmit.condorec2.instance_type = m1.large",
            "",
            ["clouds.bnl_cloud.instance_type", "clouds.bnl_cloud.shape"],
        ),
        ("sched.maxtorun.maximum = 20", "", ["clouds.ec2_spot.max_vms"]),
        (
            "batchsubmit.condorec2.gridresource = ec2 https://ec2.us-west-2.amazonaws.com/",
            "",
            ["clouds.ec2_spot.region"],
        ),
        ("spot_price = .05", "spot_price = cheap", ["clouds.ec2_spot.max_usd_per_hour"]),
        ("spot_price = .05", "spot_price = 0", ["clouds.ec2_spot.max_usd_per_hour"]),
        ("%(etc)s/secret", "AbCdEf", ["accounts.bnl_cloud.secret_access_key", "accounts.ec2_spot.secret_access_key"]),
        ("Ready, MaxPerCycle", "Ready, Surprise, MaxPerCycle", ["queues.bnl_atlas.steps[0]"]),
        ("Ready, MaxPerCycle", "Ready, StatusTest, MaxPerCycle", ["queues.bnl_atlas.steps[0]"]),
    ],
)
def test_what_cannot_be_carried_over_is_refused_until_a_person_says_it(old: str, new: str, refused: list[str]) -> None:
    found = changed(old, new)
    with pytest.raises(BadConfig) as wrong:
        parse(found.toml)
    assert sorted({mistake.place for mistake in wrong.value.mistakes}) == refused
    assert [note.split(": ")[1] for note in found.notes[: len(refused)]] == refused  # the decisive ones first


@pytest.mark.parametrize("plugin", ["CondorLocal", "CondorGT5", "CondorCREAM", "Exec"])
def test_a_section_that_bought_no_vms_becomes_no_cloud_that_buys_some(plugin: str) -> None:
    found = changed("[EC2_SPOT]", f"[EC2_SPOT]\nbatchsubmitplugin = {plugin}")
    with pytest.raises(BadConfig) as wrong:
        parse(found.toml)
    assert {mistake.place.rpartition(".")[0] for mistake in wrong.value.mistakes} == {"clouds.ec2_spot"}
    assert tomllib.loads(found.toml)["clouds"]["ec2_spot"] == {"kind": "ec2"}


def test_a_workers_token_command_has_to_be_said() -> None:
    places = [doubt.path for doubt in doubts(parse(convert(CASCADE).toml)) if doubt.never]
    assert places == [("pools", "local", "worker_token_command")]


@pytest.mark.parametrize("key", ["wmsstatusplugin", "batchsubmitplugin", "monitorurl", "schedplugin", "wmsqueue"])
@pytest.mark.parametrize("sign", ["\n", "\r", "\x0b", "\x0c", "\x85", "\u2028"])
def test_a_value_of_several_lines_does_not_leave_its_comment(key: str, sign: str) -> None:
    evil = f'Panda{sign}  [pools.stranger]{sign}  collector = "c"{sign}  worker_token_command = ["sh"]'
    found = changed("[EC2_SPOT]", f"[EC2_SPOT]\n{key} = {evil}")
    assert all(note.isprintable() for note in found.notes)
    raw = tomllib.loads(found.toml)
    assert list(raw["pools"]) == ["local"]
    assert "worker_token_command" not in raw["pools"]["local"]


def test_a_default_that_names_what_there_is_not_matters_where_it_is_used() -> None:
    found = changed("[DEFAULT]", "[DEFAULT]\nproxy = %(certs)s/proxy")
    assert parse(found.toml).queues
    assert [note for note in found.notes if "proxy" in note] == [
        "[BNL_CLOUD, EC2_SPOT] proxy = '%(certs)s/proxy' has no counterpart and is left out"
    ]
    needed = changed("ami_id = ami-2", "ami_id = %(image)s")
    assert any("names 'image', which is not said anywhere" in note for note in needed.notes)
    assert "%(image)s" not in needed.toml.partition("[clouds")[2]


def test_a_comment_behind_a_value_is_no_part_of_it() -> None:
    cloud = parse(changed("ami_id = ami-2", "ami_id = ami-2 ; the new one").toml).clouds["ec2_spot"]
    assert cloud.made_from == "ami-2"


@pytest.mark.parametrize("name", ["batchsubmit.condorec2.ec2_spot_price", "ec2_spot_price"])
def test_a_spot_price_by_its_other_names_is_one_too(name: str) -> None:
    cloud = parse(changed("batchsubmit.condorec2.spot_price", name).toml).clouds["ec2_spot"]
    assert (cloud.kind, getattr(cloud, "market", "")) == ("ec2", "spot")


def test_cycles_of_a_queue_that_differ_are_told_and_the_first_holds() -> None:
    found = changed("[EC2_SPOT]", "[EC2_SPOT]\napfqueue.sleep = 90")
    assert parse(found.toml).queues["bnl_atlas"].cycle_s == 45
    assert any("apfqueue.sleep of its sections: 45, 90" in note for note in found.notes)


def test_text_of_every_kind_stays_what_it_is() -> None:
    odd = "ami-\x7f\U0001f600\\\"'"
    assert parse(changed("ami_id = ami-2", f"ami_id = {odd}").toml).clouds["ec2_spot"].made_from == odd


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("m5.4xlarge", (16, 62_259)),
        ("c6i.large", (2, 3_891)),
        ("r7a.xlarge", (4, 31_129)),
        ("m4.10xlarge", (40, 155_648)),
        ("c4.8xlarge", (36, 57_000)),
        ("m5.metal", None),
        ("c4.9xlarge", None),
        ("", None),
    ],
)
def test_machine_types_are_known_or_not(kind: str, known: tuple[int, int] | None) -> None:
    assert machine(kind) == known


words = st.sampled_from(["inf", "nan", "-3"]) | st.text(alphabet="abcXYZ019_-. '\"=[]{}#", min_size=1, max_size=12)
KEYS = (
    "wmsqueue schedplugin sched.ready.offset sched.maxtorun.maximum apfqueue.sleep other"
    " batchsubmit.condorec2.gridresource batchsubmit.condorec2.ami_id batchsubmit.condorec2.spot_price"
)
keys = st.sampled_from(KEYS.split())


@given(st.dictionaries(words.filter(lambda w: "]" not in w and w.strip()), st.dictionaries(keys, words, max_size=6)))
@settings(max_examples=100, deadline=None)
def test_whatever_stands_there_the_result_is_ours_or_says_what_to_correct(raw: dict[str, dict[str, str]]) -> None:
    text = "\n".join(f"[{name}]\n" + "\n".join(f"{k} = {v}" for k, v in rows.items()) for name, rows in raw.items())
    try:
        found = convert(text)
    except BadQueuesConf:
        return
    if not any("to be corrected" in note for note in found.notes):
        assert parse(found.toml).queues
