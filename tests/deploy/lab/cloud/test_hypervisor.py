"""Instances of the lab's cloud are real workers, booted from their own user-data, and die with their instance."""

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from deploy.lab import processes
from deploy.lab.cloud.api import IMAGE
from deploy.lab.cloud.hypervisor import MachineType
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.node import Hardware, Node
from deploy.lab.site import Site
from tests.condor_pool import SiteMaker, until
from tests.deploy.lab.user_data import user_data

pytestmark = pytest.mark.lab
Launch = Callable[..., list[str]]


def _ec2(site: Site) -> Any:
    return boto3.client(
        "ec2",
        endpoint_url=site.cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def launch(lab_site: Site) -> Iterator[Launch]:
    """launch(count=1, extra="", user_data=...) -> instance ids on the shared site; ended after the test."""
    ec2, started = _ec2(lab_site), []

    def run(count: int = 1, extra: str = "", **request: Any) -> list[str]:
        request.setdefault("UserData", user_data(lab_site.pool, extra))
        request.setdefault("InstanceType", "m5.large")
        request.setdefault("InstanceInitiatedShutdownBehavior", "terminate")
        answer = ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, **request)
        ids = [one["InstanceId"] for one in answer["Instances"]]
        started.extend(ids)
        return ids

    yield run
    if started:
        ec2.terminate_instances(InstanceIds=started)
    until(lambda: not lab_site.hypervisor.nodes, "all nodes are gone")


def _joined(site: Site) -> set[str]:
    return set(site.pool.tool("condor_status", "-af", "CloudInstanceID").split())


def _node(site: Site, instance_id: str) -> Node:
    until(lambda: instance_id in site.hypervisor.nodes, f"{instance_id} is booted")
    return site.hypervisor.nodes[instance_id]


def _state(site: Site, instance_id: str) -> str:
    answer = _ec2(site).describe_instances(InstanceIds=[instance_id])
    return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])


def test_instances_join_with_the_id_they_asked_for_and_run_jobs(lab_site: Site, launch: Launch) -> None:
    ids = launch(2)
    until(lambda: set(ids) <= _joined(lab_site), "both join", 15)
    zones = lab_site.pool.tool("condor_status", "-af", "CloudZone").split()
    assert zones[0].startswith("us-east-1")
    lab_site.pool.submit([LabJob(seconds=1, attributes={"Of": '"boot"'})] * 2)
    until(lambda: len(_done(lab_site, ids)) == 2, "both jobs end")
    assert all(job.undisturbed for job in _done(lab_site, ids))


def _done(site: Site, ids: list[str]) -> list[Any]:
    return [job for job in site.pool.history() if job.instance_id in ids]


def test_a_terminated_instances_node_is_cut_off_at_once(lab_site: Site, launch: Launch) -> None:
    [instance_id] = launch()
    until(lambda: instance_id in _joined(lab_site), "it joins")
    node = _node(lab_site, instance_id)
    startd = node.master.pid("condor_startd")
    assert startd
    _ec2(lab_site).terminate_instances(InstanceIds=[instance_id])
    until(lambda: not processes.is_running(startd), "the startd is dead", 5)
    until(lambda: instance_id not in lab_site.hypervisor.nodes, "the node is gone", 5)
    assert instance_id in _joined(lab_site), "nobody told the collector: the ad stays for a while"


def test_a_guest_that_powers_itself_off_ends_its_instance(lab_site: Site, launch: Launch) -> None:
    [instance_id] = launch()
    node = _node(lab_site, instance_id)
    subprocess.run(["poweroff"], env=dict(node.environment()), check=True, timeout=10, **node.user.popen())
    until(lambda: _state(lab_site, instance_id) == "terminated", "the instance is terminated", 5)
    ended = [entry for entry in lab_site.cloud.control.ledger() if entry["action"] == "Ended"]
    assert [instance_id] in [entry["ids"] for entry in ended]


def test_an_unclaimed_worker_powers_off_by_htcondors_own_means(lab_site: Site, launch: Launch) -> None:
    settings = "STARTD_NOCLAIM_SHUTDOWN = 2\nSTART = false\nDEFAULT_MASTER_SHUTDOWN_SCRIPT = /sbin/poweroff\n"
    [instance_id] = launch(extra=settings)
    until(lambda: instance_id in _joined(lab_site), "it joins")
    until(lambda: _state(lab_site, instance_id) == "terminated", "the instance is terminated", 40)


def test_a_guest_without_its_master_still_runs_and_costs(lab_site: Site, launch: Launch) -> None:
    [instance_id] = launch(extra="STARTD_NOCLAIM_SHUTDOWN = 2\nSTART = false\n")
    node = _node(lab_site, instance_id)
    until(node.master.has_ended, "HTCondor has shut itself down", 40)
    assert _state(lab_site, instance_id) == "running"


def test_other_systemctl_commands_do_not_power_off(lab_site: Site, launch: Launch) -> None:
    [instance_id] = launch()
    node = _node(lab_site, instance_id)
    for command in (["systemctl", "enable", "condor"], ["shutdown", "+30"]):
        subprocess.run(command, env=dict(node.environment()), check=True, timeout=10, **node.user.popen())
    assert not node.powered_off


@pytest.mark.parametrize("text", ["", "#!/bin/sh\ntrue\n", "#cloud-config\n[", "#cloud-config\nwrite_files: 3\n"])
def test_an_instance_whose_user_data_is_wrong_runs_and_stays_dark(lab_site: Site, launch: Launch, text: str) -> None:
    [dark] = launch(UserData=text)
    [good] = launch()
    until(lambda: good in _joined(lab_site), "the other joins")
    assert _state(lab_site, dark) == "running"
    assert dark not in lab_site.hypervisor.nodes


def test_machines_can_be_made_to_never_join_or_to_lie(lab_site: Site, launch: Launch) -> None:
    hypervisor = lab_site.hypervisor
    hypervisor.never_joins = lambda instance: instance.tags.get("lab") == "dark"
    hypervisor.tamper = lambda _, config: config + 'APFQueue = "a lie"\n'
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "lab", "Value": "dark"}]}]
    [dark] = launch(TagSpecifications=tags)
    [liar] = launch()
    until(lambda: liar in _joined(lab_site), "the liar joins")
    constraint = f'CloudInstanceID == "{liar}"'
    assert lab_site.pool.tool("condor_status", "-const", constraint, "-af", "APFQueue").strip() == "a lie"
    assert dark not in hypervisor.nodes
    hypervisor.never_joins, hypervisor.tamper = lambda _: False, lambda _, config: config


def test_a_frozen_startd_does_not_answer_and_a_restarted_one_comes_back(lab_site: Site, launch: Launch) -> None:
    [instance_id] = launch()
    until(lambda: instance_id in _joined(lab_site), "it joins")
    node = _node(lab_site, instance_id)
    before = node.master.pid("condor_startd")
    node.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        node.master.tool("condor_status", "-direct", f"slot1@{instance_id}.lab", timeout_s=2)
    node.thaw()
    node.restart_startd()
    until(lambda: node.master.pid("condor_startd") not in (None, before), "its master starts it again")


def test_the_clouds_faults_do_not_reach_the_hypervisor(lab_site: Site, launch: Launch) -> None:
    lab_site.cloud.control.fault("refuse", "DescribeInstances", times=1, code="AuthFailure")
    [instance_id] = launch()
    until(lambda: instance_id in _joined(lab_site), "it joins")
    assert len(lab_site.cloud.control.faults()) == 1
    lab_site.cloud.control.clear_faults()


def test_a_type_has_its_own_hardware_and_boot_delay(fresh_site: SiteMaker) -> None:
    big = MachineType(hardware=Hardware(cpus=8, memory_mib=4000), boot_delay_s=1.5)
    site = fresh_site(types={"m5.4xlarge": big})
    request = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "UserData": user_data(site.pool)}
    _ec2(site).run_instances(InstanceType="m5.4xlarge", **request)
    _ec2(site).run_instances(InstanceType="m5.large", **request)
    until(lambda: len(_joined(site)) == 2, "both join")
    cores = site.pool.tool("condor_status", "-af", "Cpus", "Memory").splitlines()
    assert sorted(cores) == ["1 512", "8 4000"]


def test_stopping_a_site_leaves_no_process_and_no_folder(fresh_site: SiteMaker) -> None:
    site = fresh_site()
    request = {"ImageId": IMAGE, "MinCount": 3, "MaxCount": 3, "UserData": user_data(site.pool)}
    _ec2(site).run_instances(InstanceType="m5.large", **request)
    until(lambda: len(_joined(site)) >= 1, "one has joined, others boot")
    below = processes.descendants(os.getpid())
    ours = [pid for pid in below if _mentions(pid, str(site.pool.directory))]
    assert len(ours) >= 5
    site.__exit__()
    assert not any(map(processes.is_running, ours))
    assert not site.pool.directory.exists()


def _mentions(pid: int, text: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", errors="replace") as file:
            return text in file.read()
    except OSError:
        return False
