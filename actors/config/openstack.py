"""The keys of OpenStack: an account's credentials, a cloud's servers; and what of them has to go together.

`request` is passed through to Nova as it is, so that what it learns next year can be used at once; but some fields
carry the promises (the token, the tags, the user-data), and may not be set there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from actors.config.clouds import AnyCloud, LimitOf
from actors.config.mistakes import MISSING
from actors.config.sections import Secret
from actors.config.toml_lines import Path

OURS = {
    "name": "the factory makes it from the launch intent: a server is found again by it",
    "tags": "set `tags`",
    "metadata": "set `tags`",
    "user_data": "set `user_data` to a template of your own",
    "min_count": "the factory decides how many",
    "max_count": "the factory decides how many",
    "imageRef": "set `image`",
    "flavorRef": "set `flavor`",
    "networks": "set `networks`",
    "key_name": "set `key_pair`",
    "security_groups": "set `security_groups`",
    "availability_zone": "set `zone`",
    "config_drive": "set `config_drive`",
}
MAX_TAGS, OUR_TAGS, MAX_KEY, MAX_VALUE = 128, 12, 255, 255
KEYS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. ")
WAYS = ("application_credential_id", "username", "cloud")
TOGETHER = {
    "application_credential_id": ("auth_url", "application_credential_secret"),
    "application_credential_secret": ("application_credential_id",),
    "username": ("auth_url", "password", "project"),
    "password": ("username",),
}


class OpenStackAccount(LimitOf):
    """Credentials and a quota: an application credential, else a user of a project, else a cloud of clouds.yaml.

    Its limits hold for all its clouds, queues and hosts together, with the servers of others in its project.
    """

    kind: Literal["openstack"]  # what answers there
    auth_url: str | None = None  # Keystone's: "https://HOST:5000/v3"
    application_credential_id: Secret | None = None  # of a credential that may start, list and end servers
    application_credential_secret: Secret | None = None  # its other half
    username: Secret | None = None  # where application credentials are not to be had
    password: Secret | None = None  # of that user
    project: str | None = None  # name or id of that user's project
    user_domain: str = "Default"  # name or id
    project_domain: str = "Default"  # name or id
    cloud: str | None = None  # a cloud of clouds.yaml, instead of all these
    clouds_yaml: str | None = None  # its path; none: where OpenStack's own tools look for it
    ca_file: str | None = None  # the certificates to trust, for a cloud of one's own authority
    interface: Literal["public", "internal", "admin"] = "public"  # which of the catalogue's endpoints


class OpenStackCloud(AnyCloud):
    metadata: ClassVar[Literal["ec2", "openstack"]] = "openstack"
    kind: Literal["openstack"]  # what answers there
    region: str | None = None  # none: the only one
    image: Annotated[str, Field(min_length=1)]  # name or id; of several with one name the newest active one
    flavor: Annotated[str, Field(min_length=1)]  # name or id
    # names or ids; none: the project's only one, or what the cloud makes by itself
    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()  # names or ids
    key_pair: str | None = None  # for operators who log in
    zone: str | None = None  # availability zone
    server_group: str | None = None  # name or id, for (anti-)affinity
    volume_gib: Annotated[int, Field(ge=1)] | None = None  # boot from a new volume of this size, deleted with its VM
    volume_type: str | None = None  # of that volume
    config_drive: bool = False  # for clouds without a metadata service
    request: dict[str, object] = {}  # passed on in the server's request as it is

    @property
    def made_from(self) -> str:
        return self.image

    @property
    def place(self) -> str:
        return f"openstack|{self.region or ''}"


def openstack_account(account: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """(where, what is wrong, hint) for an account's raw table."""
    said = [key for key in WAYS if key in account]
    if not said:
        hint = "or username, password and project, or cloud = a name in clouds.yaml"
        yield (*path, "application_credential_id"), MISSING, hint
    if len(said) > 1:
        yield (*path, said[1]), f"{' and '.join(said)}: each is a way to log in by itself", "leave all but one out"
    for key, others in TOGETHER.items():
        for other in others if key in account else ():
            if other not in account:
                yield (*path, other), MISSING, f"{key} needs it"
    if "clouds_yaml" in account and "cloud" not in account:
        yield (*path, "cloud"), MISSING, "which cloud of clouds_yaml"


def openstack_cloud(cloud: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """(where, what is wrong, hint) for a cloud's raw table."""
    request, tags = (value if isinstance(value, dict) else {} for value in (cloud.get("request"), cloud.get("tags")))
    for key in OURS.keys() & request.keys():
        yield (*path, "request", key), "this field is the factory's own", OURS[key]
    if "volume_type" in cloud and "volume_gib" not in cloud:
        yield (*path, "volume_gib"), MISSING, "volume_type is of the volume to boot from"
    yield from _tags(tags, (*path, "tags"))


def _tags(tags: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """What Nova takes as metadata: one item that it refuses would have every launch refused."""
    for key, value in tags.items():
        here = (*path, key)
        if key.startswith("apf:") or key == "uuid":
            yield here, "this name is taken", "choose another name"
        if not 0 < len(key) <= MAX_KEY or not KEYS.issuperset(key):
            yield here, "no name of metadata", f"1 to {MAX_KEY} letters, digits, spaces and - _ : ."
        if isinstance(value, str) and len(value) > MAX_VALUE:
            yield here, f"a value of {len(value)} characters; allowed: at most {MAX_VALUE}", "make it shorter"
    if len(tags) > MAX_TAGS - OUR_TAGS:
        yield path, f"{len(tags)} tags; Nova takes {MAX_TAGS}, of which {OUR_TAGS} are ours", "leave some out"
