"""A cloud of one's own: commands that start, list and end VMs, for places that have a tool and no API.

Physical machines by Wake-on-LAN, libvirt's, a batch system's nodes. Each command gets one JSON object on its standard
input and prints JSON:

| verb | gets | prints |
| --- | --- | --- |
| start | factory, cloud, intent, queue, count, token, user_data, decision, pool | what it started: at most `count` |
| list | factory, cloud | all of them; dead ones for some time too |
| end | factory, cloud, ids | the ids that it accepted, those that are gone too; or nothing: all |
| find | factory, cloud, intent, token | what this launch started; without such a command the list is looked through |

An instance is an object with `id`, `state` (pending, running, ending, stopped, terminated, defunct), `launched_at` (in
Unix seconds), `index` (0 to count - 1), `intent`, `queue`, `token`, and what is known of `address`, `market`, `reason`,
`pool`. A token that comes again with the same order is answered with what it started. Exit codes say what became of a
call: 0, or one of REMEDIES; after any other, nothing is proved, and the launch is looked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import structlog

from actors.clouds.port import CloudError, NoCapacity, Order, Quota, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.clouds.script import answers, process
from actors.config.findings import Finding
from actors.config.schema import Config
from actors.config.script import ScriptCloud
from actors.fleet.number_of import number_of
from actors.fleet.observations import Instance, Listed

REMEDIES: dict[int, type[CloudError]] = {
    10: NoCapacity,
    11: Quota,
    12: Throttled,
    13: Refused,
    14: TokenUsed,
    15: Spent,
}
MAX_TOKEN = 64
Verb = Literal["start", "list", "end", "find"]

log = structlog.get_logger("clouds")


class Script:
    """One cloud of kind "script". Each call is a process of its own, so any number may be under way."""

    def __init__(self, name: str, config: ScriptCloud, factory: str) -> None:
        self._name, self._config = name, config
        self._whose = {"factory": factory, "cloud": name}

    @classmethod
    def of(cls, name: str, config: Config) -> Script:
        cloud = config.clouds[name]
        if not isinstance(cloud, ScriptCloud):
            raise TypeError(f"cloud {name} is of kind {cloud.kind}")
        return cls(name, cloud, config.factory.name)

    def prepare(self, order: Order) -> str:
        if not (0 < len(order.token) <= MAX_TOKEN and order.token.isascii()):
            raise Refused(f"the token has {len(order.token)} characters; allowed are 1 to {MAX_TOKEN}, ASCII only")
        return json.dumps({**asdict(order), **self._whose}, sort_keys=True)

    def launch(self, request: str) -> tuple[Instance, ...]:
        count = json.loads(request)["count"]
        found = answers.instances(self._call("start", request), "start")
        if not 1 <= len(found) <= count:
            raise Unknown(f"asked for {number_of(count, 'instance')}, start printed {len(found)}", "count")
        return tuple(sorted(found, key=lambda one: one.index))

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        if not self._config.command_of("find"):
            return tuple(one for one in self.listing(0.0).instances if intent == one.intent or token == one.token)
        asked = json.dumps({**self._whose, "intent": intent, "token": token}, sort_keys=True)
        return answers.instances(self._call("find", asked), "find")

    def listing(self, now: float) -> Listed:
        found = answers.instances(self._call("list", json.dumps(self._whose, sort_keys=True)), "list")
        return Listed(source=f"cloud/{self._name}", at=now, instances=found)

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        if not ids:
            return ()
        asked = json.dumps({**self._whose, "ids": list(ids)}, sort_keys=True)
        return answers.accepted(self._call("end", asked), tuple(ids))

    def close(self) -> None:
        """Nothing is kept open."""

    def check(self) -> tuple[Finding, ...]:
        """Whether the commands are there, and the list answers. For `apf check --live`; nothing is started."""
        there = [self._is_there(verb) for verb in ("start", "end")]
        try:
            listed = f"{number_of(len(self.listing(0.0).instances), 'instance')} of ours"
        except CloudError as error:
            return (*there, Finding(what="list", ok=False, text=f"{type(error).__name__}: {error}"))
        return (*there, Finding(what="list", ok=True, text=listed))

    def _is_there(self, verb: Verb) -> Finding:
        program = self._config.command_of(verb)[0]
        found = shutil.which(program)
        return Finding(what=verb, ok=bool(found), text=found or f"{program} is no program that can be run here")

    def _call(self, verb: Verb, text: str) -> bytes:
        config = self._config
        ran = process.run(config.command_of(verb), text, config.environment, config.timeout_s)
        if ran.said:
            log.info("script", cloud=self._name, verb=verb, code=ran.code, said=ran.said)
        if ran.code:
            remedy = REMEDIES.get(ran.code, Unknown)
            raise remedy(ran.said or f"{verb} ended with {ran.code} and said nothing", str(ran.code))
        return ran.output
