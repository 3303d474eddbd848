"""The slot of the next worker is completed by what those that joined advertise: on a real pool, with its real ads."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.policy_rules import rules_of
from actors.config.promise import promise_of
from actors.config.schema import Config
from actors.fleet.joined import Joined, agreed
from actors.fleet.observations import JobClass
from actors.policies.provisioning.matchmaking import reason
from actors.policies.rules import CloudRules
from deploy.lab.pool.access_point import LabJob
from tests.actors.pools.htcondor.condor_site import factory_pool
from tests.actors.stage import CONFIG
from tests.condor_pool import NodeMaker, PoolMaker, condor, fresh_pool, plain_node, until  # noqa: F401

pytestmark = pytest.mark.lab

ASKS = {
    "wants_v4": 'TARGET.Microarch == "x86_64-v4"',
    "wants_ours": 'TARGET.Building == "B513"',
    "wants_another": 'TARGET.Building == "B42" && TARGET.Rack > 1',
    "of_another_queue": 'TARGET.APFQueue == "cms"',
}
QUEUES = tuple((name, f'MATCH_APF_QUEUE == "{name}"', "true", 0.0) for name in ASKS)
CLOUD = CONFIG.clouds["private"].model_copy(update={"attributes": {}})
BOTH = Config.model_validate(CONFIG.model_dump() | {"clouds": {"private": CLOUD.model_dump()}})


def cloud(attributes: dict[str, str]) -> CloudRules:
    joined = Joined(promise=promise_of(CLOUD), attributes=attributes)
    return rules_of(BOTH, "atlas", {"private": joined}).clouds["private"]


def suited(found: JobClass) -> bool:
    return any(answer.suits for answer in found.answers)


def test_what_workers_advertise_is_known_of_the_next_one_and_said_where_it_decides(
    fresh_pool: PoolMaker,  # noqa: F811
    plain_node: NodeMaker,  # noqa: F811
    tmp_path: Path,
) -> None:
    lab = fresh_pool()
    pool = factory_pool(lab, tmp_path / "tokens", queues=QUEUES)
    own = {"Building": '"B513"', "OfOne": '"the rack of i-1.lab"', "Costly": "strcat(Building, Building)"}
    own["START"] = "False"  # a job that runs there waits for nothing
    own["STARTD_ATTRS"] = "$(STARTD_ATTRS) Building OfOne Costly"
    try:
        for name, asks in ASKS.items():
            lab.submit([LabJob(queue=name, submit={"requirements": asks})])
        plain_node(lab, "i-1", settings=own)
        until(lambda: pool.startds(1.0).machines, "the worker is in the reading")
        (machine,) = pool.startds(1.0).machines
        ads = pool.advertised((machine.name, "i-never.lab"))
        told = ads[machine.name, machine.address]

        def judged(rules: CloudRules) -> dict[str, JobClass]:
            slots = dict.fromkeys(ASKS, (("private", 0, rules.slot),))
            return {found.queue: found for found in pool.jobs(1.0, slots).classes}

        before, rules = cloud({}), cloud(agreed({}, [told]))
        unlearned, learned = judged(before), judged(rules)
    finally:
        pool.close()
    assert ads.keys() == {(machine.name, machine.address)}
    assert told["Building"] == '"B513"'
    assert told["Microarch"].startswith('"x86_64')
    assert told["OpSysMajorVer"].isdigit()
    assert not {"OfOne", "Costly", "Machine", "Name", "APFQueue", "Cpus", "State", "Start", "LoadAvg"} & told.keys()
    assert not any("i-1" in text for text in told.values())

    assert [name for name, found in unlearned.items() if suited(found)] == []
    assert [name for name, found in learned.items() if suited(found)] == ["wants_ours"]
    said = {name: reason(found, 1, [rules]) for name, found in learned.items()}
    arch = f"it asks TARGET.Microarch, which workers of private say is {told['Microarch']}"
    assert arch in said["wants_v4"]
    assert 'TARGET.Building, which workers of private say is "B513"' in said["wants_another"]
    assert "TARGET.Rack, which workers of private do not advertise" in said["wants_another"]
    assert 'TARGET.APFQueue, which the configuration of private says is "atlas"' in said["of_another_queue"]
    early = {name: reason(found, 1, [before]) for name, found in unlearned.items()}
    assert "TARGET.Building, which workers of private are not known to advertise" in early["wants_ours"]
    assert 'Microarch, which is taken to be "x86_64-v3" on private before a worker joined' in early["wants_v4"]
