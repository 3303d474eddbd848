"""An AutoPyFactory configuration becomes ours: what it meant is kept, what has no counterpart is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apf_import import BadQueuesConf, convert
from actors.config_file import parse
from actors.rules import rules_of

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
batchsubmit.condorec2.instance_type = x9.huge
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
    assert config.pools["local"].interval_s == 45


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
        "[EC2_SPOT] what an instance of type x9.huge has is a guess: correct its shape",
        "[EC2_SPOT] monitorurl = 'http://monitor.example.org/' has no counterpart and is left out",
    )


@pytest.mark.parametrize(
    ("key", "value", "note"),
    [
        ("batchsubmitplugin", "CondorOSGCE", "only EC2 clouds are made"),
        ("wmsstatusplugin", "Panda", "jobs are read from the HTCondor pool instead"),
        ("schedplugin", "Ready, Surprise", "schedplugin Surprise has no counterpart"),
        ("schedplugin", "Ready, StatusTest", "no kind of pool tells a site's status"),
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


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nenabled = True\n", "no section", "[a]\nx = %(nowhere)s\n"])
def test_what_is_no_queues_conf_is_told(text: str) -> None:
    with pytest.raises(BadQueuesConf):
        convert(text)


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
