"""What the lab's OpenStack is born with: services and endpoints, flavours, and projects with their users and quotas."""

from __future__ import annotations

from typing import Any

import openstack

from deploy.lab.openstack.settings import SECRET, Ports

FLAVORS = {"m1.tiny": (1, 512, 1), "m1.small": (1, 2_048, 20), "m1.huge": (900_000, 2_048, 20)}  # cores, MiB, GiB
QUOTAS = {"demo": -1, "tiny": 2}  # instances of each project; -1: no limit


def connect(ports: Ports, user: str, project: str = "") -> Any:
    """As a user with the lab's password, in the project of its name."""
    return openstack.connect(
        auth_url=ports.keystone,
        username=user,
        password=SECRET,
        project_name=project or user,
        user_domain_id="default",
        project_domain_id="default",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
    )


def keystone(ports: Ports) -> None:
    identity = connect(ports, "admin").identity
    roles = {role.name: role.id for role in identity.roles()}
    service = identity.create_project(name="service", domain_id="default")
    for name in ("nova", "placement"):
        user = _user(identity, name, service)
        for role in ("admin", "service"):
            if role in roles:
                identity.assign_project_role_to_user(service, user, roles[role])
    for name, kind, url in (
        ("placement", "placement", ports.placement),
        ("glance", "image", ports.glance),
        ("neutron", "network", ports.neutron),
        ("nova", "compute", ports.nova),
    ):
        made = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal"):
            identity.create_endpoint(service_id=made.id, interface=interface, region_id="RegionOne", url=url)
    for name in QUOTAS:
        project = identity.create_project(name=name, domain_id="default")
        identity.assign_project_role_to_user(project, _user(identity, name, project), roles["member"])


def nova(ports: Ports) -> tuple[str, str]:
    """Returns the id and the secret of an application credential of the user "demo"."""
    admin = connect(ports, "admin")
    for name, (cores, memory_mib, disk_gib) in FLAVORS.items():
        admin.compute.create_flavor(name=name, vcpus=cores, ram=memory_mib, disk=disk_gib)
    for name, instances in QUOTAS.items():
        project = admin.identity.find_project(name)
        most = {"instances": instances} | ({"cores": -1, "ram": -1} if instances < 0 else {})
        admin.compute.update_quota_set(project.id, **most)
    demo = connect(ports, "demo")
    made = demo.identity.create_application_credential(demo.current_user_id, name="lab", description="the lab's")
    return made.id, made.secret


def _user(identity: Any, name: str, project: Any) -> Any:
    return identity.create_user(name=name, password=SECRET, domain_id="default", default_project_id=project.id)
