"""Nova's servers: pages of them, deleted ones, one made, one deleted. What they mean is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from actors.clouds.openstack import errors
from actors.clouds.openstack.answers import each_once, required
from actors.clouds.openstack.link import MICROVERSION, WITH_VOLUME_TYPE, OpenStackLink
from actors.clouds.port import CloudError, Refused, Unknown

PAGE = 250  # servers a page: a detailed one takes Nova some 10 ms
_ANEW = 3  # times that a listing begins again, because the server at the end of a page was deleted meanwhile
Found = Mapping[str, Any]


class Servers:
    """Thread-safe; every failure is a CloudError."""

    def __init__(self, link: OpenStackLink) -> None:
        self._link = link

    def living(self, **filters: str) -> list[Found]:
        """All pages, in detail. Never by metadata: Nova passes over that filter, and answers with all servers."""
        return self._all(filters)

    def deleted(self, pattern: str, since: float) -> list[Found]:
        """Those that were deleted after `since` (Unix seconds, by the cloud's clock) and have such a name."""
        at = datetime.fromtimestamp(max(0.0, since), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        changed = self._all({"name": pattern, "changes-since": at})
        return [one for one in changed if one.get("status") in ("DELETED", "SOFT_DELETED")]

    def create(self, body: Mapping[str, Any]) -> str:
        """One request, never repeated; the new server's id."""
        volumes = body["server"].get("block_device_mapping_v2", [{}])
        version = WITH_VOLUME_TYPE if any("volume_type" in one for one in volumes) else MICROVERSION
        answer = self._link.call("compute", "POST", "/servers", body=body, microversion=version)
        return str(required(required(answer, "server"), "id"))

    def delete(self, id_: str) -> None:
        """Safe to repeat; one that is gone is deleted."""
        try:
            self._link.call("compute", "DELETE", f"/servers/{id_}")
        except Refused as error:
            if error.code != str(errors.GONE):
                raise

    def write(self, id_: str, item: str, words: str) -> None:
        """An item of metadata; "" takes it away. One that is gone does no harm, one that is being built is Unknown."""
        try:
            if words:
                self._link.call("compute", "POST", f"/servers/{id_}/metadata", body={"metadata": {item: words}})
            else:
                self._link.call("compute", "DELETE", f"/servers/{id_}/metadata/{item}")
        except Refused as error:
            if error.code == str(errors.CONFLICT):
                raise Unknown(f"not now, {id_} is being changed: {error}", error.code) from error
            if error.code != str(errors.GONE):
                raise

    def _all(self, filters: Mapping[str, str]) -> list[Found]:
        for _ in range(_ANEW):
            try:
                return list(each_once(self._pages(filters)))
            except Refused as error:
                if error.code != "400" or "marker" not in str(error):
                    raise
                failed: CloudError = error
        raise Unknown(f"servers were deleted while they were listed, {_ANEW} times: {failed}", "marker")

    def _pages(self, filters: Mapping[str, str]) -> Iterator[Found]:
        asked: Mapping[str, Any] | None = {**filters, "limit": PAGE}
        while asked:
            answer = self._link.get("compute", "/servers/detail", asked)
            yield from required(answer, "servers")
            asked = _next(answer.get("servers_links") or ())


def _next(links: Any) -> Mapping[str, Any] | None:
    """What the link to the next page asks for; its host may be one that only the cloud itself can reach."""
    for link in links:
        if link.get("rel") == "next":
            return dict(parse_qsl(urlsplit(str(link.get("href", ""))).query))
    return None
