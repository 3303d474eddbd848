"""Images, flavours, networks and server groups by name or id, as one project sees them. Asked for once, then kept."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from actors.clouds.openstack.answers import required
from actors.clouds.openstack.link import OpenStackLink
from actors.clouds.openstack.request import ServerOrder
from actors.clouds.port import Refused

KEPT_S = 300.0  # an image of the same name may be put in the place of another
_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_BY_ITSELF = ("auto", "none")  # what Nova takes instead of a list of networks


class Names:
    """Thread-safe. Raises Refused where nothing, or more than one thing, has the name; and what the link raises."""

    def __init__(self, link: OpenStackLink) -> None:
        self._link, self._lock = link, threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, Any]] = {}

    def ids(self, launch: ServerOrder) -> dict[str, Any]:
        """Of what a launch names, as `request.body` takes them."""
        networks: Any = [{"uuid": self.network(name)} for name in launch.networks] or None
        if launch.networks and launch.networks[0] in _BY_ITSELF:
            networks = launch.networks[0]
        return {
            "image": self.image(launch.image)["id"],
            "flavor": self.flavor(launch.flavor)["id"],
            "networks": networks,
            "server_group": self.server_group(launch.server_group) if launch.server_group else "",
        }

    def image(self, name: str) -> Mapping[str, Any]:
        """The newest active one of that name; an id is asked for too, as it may be gone."""
        found: Mapping[str, Any] = self._once("image", name, self._image)
        return found

    def flavor(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._once("flavor", name, self._flavor)
        return found

    def network(self, name: str) -> str:
        return str(self._once("network", name, self._network))

    def server_group(self, name: str) -> str:
        return str(self._once("server group", name, self._server_group))

    def _once(self, what: str, name: str, ask: Any) -> Any:
        with self._lock:
            at, found = self._known.get((what, name), (0.0, None))
            if found is None or time.monotonic() - at > KEPT_S:
                found = ask(name)
                self._known[what, name] = (time.monotonic(), found)
            return found

    def _image(self, name: str) -> Mapping[str, Any]:
        asked = {"id": f"in:{name}"} if _ID.fullmatch(name) else {"name": name}
        answer = self._link.get("image", "/images", {**asked, "status": "active", "sort": "created_at:desc"})
        same = [one for one in required(answer, "images") if name in (one.get("id"), one.get("name"))]
        active = sorted(same, key=lambda one: str(one.get("created_at")), reverse=True)
        if not active:
            raise Refused(f"no active image has the name or id {name!r}")
        found: Mapping[str, Any] = active[0]
        return found

    def _flavor(self, name: str) -> Mapping[str, Any]:
        answer = self._link.get("compute", "/flavors/detail", {"limit": 1000})
        found: Mapping[str, Any] = _only("flavour", name, required(answer, "flavors"))
        return found

    def _network(self, name: str) -> str:
        if _ID.fullmatch(name):
            return name
        answer = self._link.get("network", "/networks", {"name": name})
        return str(_only("network", name, required(answer, "networks"))["id"])

    def _server_group(self, name: str) -> str:
        if _ID.fullmatch(name):
            return name
        answer = self._link.get("compute", "/os-server-groups")
        return str(_only("server group", name, required(answer, "server_groups"))["id"])


def _only(what: str, name: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    by_id = [row for row in rows if row.get("id") == name]
    found = by_id or [row for row in rows if row.get("name") == name]
    if not found:
        known = ", ".join(sorted(str(row.get("name")) for row in rows)[:10])
        raise Refused(f"no {what} has the name or id {name!r}" + (f"; there are {known}" if known else ""))
    if len(found) > 1:
        raise Refused(f"{len(found)} {what}s are called {name!r}: name one by its id")
    return found[0]
