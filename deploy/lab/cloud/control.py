"""The lab's side door to its EC2 API: set capacities, ask for faults, end an instance from inside, read the ledger.

Everything here is plain JSON over HTTP under `/_lab/`, so that tests, the demo and the hypervisor, each a process of
its own, can use it.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Literal

from deploy.lab.cloud.faults import Fault, Kind, Settings

How = Literal["poweroff", "spot", "crash"]


class Control:
    """Talks to the `/_lab/` paths of a running EC2 API."""

    def __init__(self, endpoint: str, timeout_s: float = 10.0) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fault(self, kind: Kind, action: str = "RunInstances", **options: Any) -> None:
        """Ask for a fault; `options` are the fields of `Fault` (times, code, status, seconds, count)."""
        self._send("POST", "faults", Fault(kind=kind, action=action, **options).model_dump())

    def faults(self) -> list[Fault]:
        """The faults that wait for their call."""
        return [Fault.model_validate(one) for one in self._send("GET", "faults")]

    def clear_faults(self) -> None:
        self._send("DELETE", "faults")

    def settings(self) -> Settings:
        return Settings.model_validate(self._send("GET", "settings"))

    def set(self, **changes: Any) -> Settings:
        """Change some of the `Settings`; the others stay."""
        return Settings.model_validate(self._send("POST", "settings", changes))

    def ledger(self) -> list[dict[str, Any]]:
        """What the cloud accepted, in order: see `ledger`."""
        return list(self._send("GET", "ledger"))

    def changes(self) -> int:
        """Grows with whatever may have changed an instance: while it stays, no listing need be asked for."""
        return int(self._send("GET", "changes"))

    def end_from_inside(self, instance_id: str, how: How = "poweroff") -> bool:
        """The guest powered itself off, the spot market took it, or its host crashed. False: it had ended already."""
        return bool(self._send("POST", f"instances/{instance_id}", {"how": how})["ended"])

    def _send(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._endpoint}/_lab/{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        with self._opener.open(request, timeout=self._timeout_s) as answer:
            return json.load(answer)
