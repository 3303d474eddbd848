"""The configuration files of the lab's Keystone, Placement and Nova: sqlite, one folder, five ports of loopback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
SECRET = "secret"  # of a cloud that only this machine reaches, and that holds nothing

_KEYSTONE = """\
[DEFAULT]
log_file = {run}/log/keystone.log
[database]
connection = sqlite:///{run}/keystone.db
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {run}/fernet
[fernet_receipts]
key_repository = {run}/fernet-receipts
[credential]
key_repository = {run}/credential-keys
[cache]
enabled = true
backend = dogpile.cache.memory
"""
_AUTH = """\
auth_type = password
auth_url = {keystone}
username = {user}
password = {secret}
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
"""
_PLACEMENT = """\
[DEFAULT]
log_file = {run}/log/placement.log
[api]
auth_strategy = keystone
[placement_database]
connection = sqlite:///{run}/placement.db
[keystone_authtoken]
www_authenticate_uri = {keystone}
{as_placement}
"""
# No periodic resource update: it asks Placement once for each instance.
_NOVA = """\
[DEFAULT]
log_file = {run}/log/nova.log
host = lab1
my_ip = 127.0.0.1
state_path = {run}
instances_path = {run}/instances
compute_driver = fake.FakeDriverWithoutFakeNodes
transport_url = fake://
heal_instance_info_cache_interval = -1
sync_power_state_interval = -1
update_resources_interval = -1
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
max_concurrent_builds = 10
[api]
auth_strategy = keystone
[api_database]
connection = sqlite:///{run}/nova_api.db
[database]
connection = sqlite:///{run}/nova.db
[oslo_concurrency]
lock_path = {run}/lock
[keystone_authtoken]
www_authenticate_uri = {keystone}
{as_nova}
[service_user]
send_service_user_token = true
{as_nova}
[placement]
{as_nova}
[glance]
endpoint_override = {glance}
[neutron]
{as_nova}
endpoint_override = {neutron}
[scheduler]
workers = 1
discover_hosts_in_cells_interval = -1
[conductor]
workers = 1
[filter_scheduler]
track_instance_changes = false
[upgrade_levels]
compute = auto
"""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where each answers: five ports in a row from `first`."""

    first: int

    @property
    def keystone(self) -> str:
        return f"http://{HOST}:{self.first}/v3"

    @property
    def placement(self) -> str:
        return f"http://{HOST}:{self.first + 1}"

    @property
    def glance(self) -> str:
        return f"http://{HOST}:{self.first + 2}"

    @property
    def neutron(self) -> str:
        return f"http://{HOST}:{self.first + 3}"

    @property
    def nova(self) -> str:
        return f"http://{HOST}:{self.first + 4}/v2.1"


def write(folder: Path, run: Path, ports: Ports) -> None:
    """The three files in `folder`, for state in `run`."""
    as_nova, as_placement = (
        _AUTH.format(keystone=ports.keystone, user=user, secret=SECRET) for user in ("nova", "placement")
    )
    facts = {
        "run": run,
        "keystone": ports.keystone,
        "glance": ports.glance,
        "neutron": ports.neutron,
        "as_nova": as_nova,
        "as_placement": as_placement,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("keystone", _KEYSTONE), ("placement", _PLACEMENT), ("nova", _NOVA)):
        (folder / f"{name}.conf").write_text(text.format(**facts))
