"""Condor-G in the lab: a grid-universe EC2 job of a real schedd, by its gridmanager and EC2 GAHP, is an instance."""

from __future__ import annotations

from deploy.lab.cloud.api import IMAGE
from deploy.lab.site import Site
from tests.condor_pool import SiteMaker, condor, fresh_site, until  # noqa: F401

QUICK = "GRIDMANAGER_JOB_PROBE_INTERVAL = 3\n"


def test_an_ec2_job_starts_an_instance_is_known_by_its_id_and_removing_it_ends_it(fresh_site: SiteMaker) -> None:  # noqa: F811
    site = fresh_site()
    point, user = site.pool.access_points[0], site.pool.user
    user.write(point.master.config_file, point.master.config_file.read_text() + QUICK)
    point.master.tool("condor_reconfig")
    for name in ("key", "secret"):
        user.write(site.pool.directory / name, "lab")
    description = user.write(point.master.directory / "vm.sub", _vm(site))
    point.master.tool("condor_submit", str(description))
    until(lambda: _said(site, "EC2InstanceName").startswith("i-"), "the job's ad names its instance")
    instance, grid_id = _said(site, "EC2InstanceName"), _said(site, "GridJobId")
    assert grid_id.split()[-1] == instance
    started = [one for one in site.cloud.control.ledger() if one["action"] == "RunInstances"]
    assert [one["ids"] for one in started] == [[instance]]
    point.remove()
    until(lambda: instance in _ended(site), "the instance was ended")


def _said(site: Site, name: str) -> str:
    return site.pool.access_points[0].master.tool("condor_q", "-allusers", "-af", name).strip()


def _ended(site: Site) -> list[str]:
    return [i for one in site.cloud.control.ledger() if one["action"] == "TerminateInstances" for i in one["ids"]]


def _vm(site: Site) -> str:
    """The GAHP signs for the service and the region that it cuts out of the host's name."""
    port = site.cloud.endpoint.rstrip("/").rpartition(":")[2]
    return f"""
universe = grid
grid_resource = ec2 http://ec2.us-east-1.localhost:{port}/
executable = a-vm
transfer_executable = false
initialdir = /tmp
ec2_access_key_id = {site.pool.directory}/key
ec2_secret_access_key = {site.pool.directory}/secret
ec2_ami_id = {IMAGE}
ec2_instance_type = m5.large
queue 1
"""
