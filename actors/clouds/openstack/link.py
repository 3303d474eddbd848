"""Calls to one OpenStack, each sent once.

The rule it keeps: one call is one request. openstacksdk and keystoneauth repeat by themselves what a lost connection or
a busy server left open (measured: one create, two servers), so every call goes out with that turned off; sent again is
only what a 401 ("log in anew") did not carry out. Every failure leaves here as a `CloudError`, by its remedy.
openstacksdk is imported here alone, when the first call is made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from actors.clouds.openstack import errors
from actors.clouds.port import CloudError, Refused, Unknown
from actors.config.openstack import OpenStackAccount

MICROVERSION = "2.52"  # tags at birth; and flavours stand in servers since 2.47
WITH_VOLUME_TYPE = "2.67"
_NOVA = {"compute": {"min_version": "2.1", "max_version": "2.latest"}}
_VERSIONS = {"image": "/v2", "network": "/v2.0"}  # theirs are not to be asked for everywhere
_INSTALL = "a cloud of kind openstack needs openstacksdk: pip install 'autopyfactory-cloud[openstack]'"
_PROGRAM = "autopyfactory-cloud"
_SECRETS = ("application_credential_id", "application_credential_secret", "username", "password")


class OpenStackLink:
    """Thread-safe. `reveal` turns a `Secret` into its text. Without an account openstacksdk's own chain is asked."""

    def __init__(
        self, account: OpenStackAccount | None, region: str | None, reveal: Callable[[str], str], timeout_s: float
    ) -> None:
        self._account, self._region, self._reveal, self._timeout_s = account, region, reveal, timeout_s
        self._lock = threading.Lock()
        self._services: dict[str, Any] = {}
        self._made: Any = None

    def get(self, service: str, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self.call(service, "GET", path, parameters=parameters)

    def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Any = None,
        microversion: str = MICROVERSION,
    ) -> Any:
        """The answer's JSON, None where it has none. Raises CloudError."""
        answer = self._sent(service, method, path, parameters, body, microversion)
        if answer.status_code == errors.LOGIN:
            self.close()  # the secrets are read again for the next call: they may have been changed
        if answer.status_code >= 300:
            raise errors.remedy(answer.status_code, answer.content)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise Unknown(f"the answer is no JSON; is the endpoint OpenStack's? {error}", "unparsable") from error

    def close(self) -> None:
        """The next call logs in anew. Calls that are under way go on."""
        with self._lock:
            made, self._made, self._services = self._made, None, {}
        session = getattr(made, "_session", None)
        if session is not None:
            session.close()

    def _sent(self, service: str, method: str, path: str, parameters: Any, body: Any, microversion: str) -> Any:
        once = {"connect_retries": 0, "status_code_retries": 0, "raise_exc": False, "redirect": False}
        more = {"json": body} if body is not None else {}
        if service == "compute":
            more["microversion"] = microversion
        try:
            found = self._service(service)
            return found.request(path, method, params=dict(parameters or {}), timeout=self._timeout_s, **once, **more)
        except CloudError:
            raise
        except Exception as error:
            raise _told(error) from error

    def _service(self, name: str) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _Region.of(self._account, self._region, self._reveal, self._timeout_s)
            if name not in self._services:
                self._services[name] = self._made.service(name)
            return self._services[name]


class _Region:
    """A session of one account in one region."""

    def __init__(self, region: Any) -> None:
        self._region = region
        self._session = region.get_session()

    @classmethod
    def of(
        cls, account: OpenStackAccount | None, region: str | None, reveal: Callable[[str], str], timeout_s: float
    ) -> _Region:
        try:
            from openstack.config import OpenStackConfig
        except ImportError as error:
            raise Refused(f"{_INSTALL} ({error})", "openstacksdk") from error
        said = {"api_timeout": timeout_s, "app_name": _PROGRAM, "app_version": version(_PROGRAM)}
        if region:
            said["region_name"] = region
        if account is None:
            return cls(OpenStackConfig().get_one(**said))
        said["interface"] = account.interface
        if account.ca_file:
            said["cacert"] = account.ca_file
        if account.cloud:
            files = {"config_files": [account.clouds_yaml]} if account.clouds_yaml else {}
            return cls(OpenStackConfig(load_envvars=False, **files).get_one(cloud=account.cloud, **said))
        bare = OpenStackConfig(load_yaml_config=False, load_envvars=False)
        return cls(bare.get_one(**said, **_credentials(account, reveal)))

    def service(self, name: str) -> Any:
        """Of keystoneauth, as openstacksdk's own would send some requests twice."""
        from keystoneauth1.adapter import Adapter

        made = Adapter(
            self._session,
            service_type=self._region.get_service_type(name),
            interface=self._region.get_interface(name),
            region_name=self._region.get_region_name(name),
            endpoint_override=self._region.get_endpoint(name),
            **_NOVA.get(name, {}),
        )
        if name in _VERSIONS:
            plain = str(made.get_endpoint()).rstrip("/").removesuffix(_VERSIONS[name])
            made.endpoint_override = plain + _VERSIONS[name]
        return made


def _credentials(account: OpenStackAccount, reveal: Callable[[str], str]) -> dict[str, Any]:
    auth = {"auth_url": account.auth_url}
    for key in _SECRETS:
        reference = getattr(account, key)
        try:
            auth |= {key: reveal(reference)} if reference else {}
        except (LookupError, OSError) as error:
            raise Refused(f"the secret {reference} of the account cannot be read: {error}", "secret") from error
    if account.application_credential_id:
        return {"auth_type": "v3applicationcredential", "auth": auth}
    domains = {f"{one}_{_key(value)}": value for one, value in _domains(account).items()}
    return {"auth_type": "v3password", "auth": {**auth, **domains}}


def _domains(account: OpenStackAccount) -> dict[str, str]:
    return {
        "project": account.project or "",
        "user_domain": account.user_domain,
        "project_domain": account.project_domain,
    }


def _key(value: str) -> str:
    """Whether a name or an id is meant: Keystone's ids are 32 hexadecimal digits, and "default" is one too."""
    is_id = value == "default" or (len(value) == 32 and set(value) <= set("0123456789abcdef"))
    return "id" if is_id else "name"


def _told(error: Exception) -> CloudError:
    """keystoneauth's and openstacksdk's exceptions. Whatever may have come after the request was sent is unknown."""
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    said, code = f"{type(error).__name__}: {error}", type(error).__name__
    if isinstance(error, keystone.SSLError):
        return Refused(f"nothing was sent, the certificate is not trusted: {said}", code)
    if isinstance(error, (keystone.ConnectionError, keystone.HttpServerError, keystone.DiscoveryFailure)):
        return Unknown(f"no answer that can be used: {said}", code)
    if isinstance(error, keystone.Unauthorized):
        return Refused(f"Keystone lets us not in: {said}", "401")
    if isinstance(error, keystone.HttpError):  # of the login: the call itself raises none
        status = error.http_status or 0
        return errors.remedy(status, error.response.content if error.response is not None else b"")
    if isinstance(error, (keystone.ClientException, sdk.ConfigException)):
        return Refused(f"nothing was sent: {said}", code)
    return Unknown(f"no answer that can be used: {said}", code)
