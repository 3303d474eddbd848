"""A kind of cloud of one's own, as a package: see also `kind = "script"`, which is part of apf and needs none.

    [clouds.rack]
    kind = "tool"
    command = ["/usr/local/bin/rack"]
    shape = { cpus = 8, memory_mib = 15_000 }
    max_vms = 40

It is called with `start`, `list` or `end` as its last argument and one JSON value on its standard input: the order, the
names of factory and cloud, or the ids to end. `start` and `list` print instances as a JSON list, with the fields of
`fleet.observations.Instance`; `list` shows dead ones for some time too. A token that comes again with the same order is
answered with what it started. Exit codes say what became of a call: 0, or one of REMEDIES; after any other, the launch
is looked for in the list. It must pass deploy/conformance/clouds.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from actors.clouds.port import NoCapacity, Order, Quota, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.config import AnyCloud, Config
from actors.fleet.observations import Instance, Listed

REMEDIES = {10: NoCapacity, 11: Quota, 12: Throttled, 13: Refused, 14: TokenUsed, 15: Spent}


class ScriptSettings(AnyCloud):
    kind: Literal["tool"]
    command: tuple[str, ...]  # with its arguments; `start`, `list` or `end` is added


class ScriptCloud:
    Settings = ScriptSettings

    def __init__(self, name: str, settings: ScriptSettings, factory: str) -> None:
        self._settings, self._names = settings, {"factory": factory, "cloud": name}

    @classmethod
    def of(cls, name: str, config: Config) -> ScriptCloud:
        settings = config.clouds[name]
        assert isinstance(settings, ScriptSettings)
        return cls(name, settings, config.factory.name)

    def prepare(self, order: Order) -> str:
        return json.dumps({**asdict(order), **self._names}, sort_keys=True)

    def launch(self, request: str) -> tuple[Instance, ...]:
        return self._instances("start", request)

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        return tuple(one for one in self.listing(0.0).instances if one.intent == intent)

    def listing(self, now: float) -> Listed:
        instances = self._instances("list", json.dumps(self._names))
        return Listed(source=self._names["cloud"], at=now, instances=instances)

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        if ids:
            self._call("end", json.dumps(list(ids)))
        return tuple(ids)

    def close(self) -> None:
        """Nothing is kept open."""

    def _instances(self, verb: str, text: str) -> tuple[Instance, ...]:
        answer = self._call(verb, text)
        try:
            return tuple(Instance(**row) for row in json.loads(answer))
        except (ValueError, TypeError) as wrong:
            raise Unknown(f"{verb} printed no list of instances: {wrong}") from wrong

    def _call(self, verb: str, text: str) -> str:
        command: list[Any] = [*self._settings.command, verb]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=self._settings.timeout_s, check=False
            )
        except (subprocess.TimeoutExpired, OSError) as wrong:
            raise Unknown(f"{verb}: {wrong}") from wrong
        if done.returncode:
            remedy = REMEDIES.get(done.returncode, Unknown)
            raise remedy(done.stderr.strip() or f"{verb} ended with {done.returncode}", str(done.returncode))
        return done.stdout
