"""What a campaign does: how each kind of fault begins and ends, and what an operator asks for meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis.exceptions import RedisError

from actors.clouds.simulated.link import WorldAway, WorldRefused
from actors.console import send_wish
from actors.fleet.vm import State
from actors.host.engine import _mailboxes
from actors.runtime.post_office import OPERATOR
from broker.errors import BrokerError
from tests.factory_process import NotEnded
from tests.world_campaign.faults import WORLD, Fault
from tests.world_campaign.played import Played
from tests.world_campaign.stage import CampaignHost, Stage

GARBAGE = (b"\x00 raw bytes, no mail at all", b"{}", b'{"body": "x", "properties": {}}')


class Acts:
    """Faults that do not fit how things stand (a host that is dead cannot be frozen) are passed over."""

    def __init__(self, stage: Stage, played: Played, say: Callable[[str], None]) -> None:
        self._stage, self._played, self._say = stage, played, say
        self._down: dict[str, str] = {}  # host -> the fault that took it
        self._redis_frozen = False
        self._cut: set[str] = set()

    @property
    def busy(self) -> bool:
        """A fault is there that the factory cannot get over by itself: somebody must start a host, or thaw Redis."""
        return bool(self._down or self._redis_frozen or self._cut)

    def begin(self, fault: Fault, pool: ThreadPoolExecutor) -> None:
        if fault.kind in WORLD:
            self._stage.world("weather", kind=fault.kind, for_s=fault.for_s, **fault.settings)
        elif fault.kind.startswith("operator-"):
            pool.submit(self._operator, fault)
        else:
            getattr(self, "_" + fault.kind.replace("-", "_"))(fault)

    def end(self, fault: Fault) -> None:
        """Spells of the world's weather end by themselves."""
        if fault.kind.startswith("host-"):
            self._recover(str(fault.settings["host"]), fault.kind)
        elif fault.kind == "redis-freeze":
            self._thaw_redis()

    def heal(self) -> None:
        self._stage.world("clear")
        self._thaw_redis()
        for name in list(self._down):
            self._recover(name, self._down[name])
        for host in self._stage.hosts.values():
            host.cable.mend()
            if not host.runs:
                host.start(wait=False)
        self._cut.clear()

    def release(self) -> None:
        """Take back whatever an operator wished."""
        for verb in ("release", "undrain"):
            self._wish(verb, "all", "")

    # --- hosts

    def _host(self, fault: Fault) -> CampaignHost:
        return self._stage.hosts[str(fault.settings["host"])]

    def _host_kill(self, fault: Fault) -> None:
        self._take(fault, lambda host: host.kill())

    def _host_stop(self, fault: Fault) -> None:
        try:
            self._take(fault, lambda host: host.stop())
        except NotEnded as finding:
            self._say(f"      {finding}")
            self._played.not_ended.append(str(finding))

    def _host_freeze(self, fault: Fault) -> None:
        self._take(fault, lambda host: host.freeze())

    def _host_cut_off_redis(self, fault: Fault) -> None:
        self._host(fault).cable.cut()
        self._cut.add(self._host(fault).name)

    def _take(self, fault: Fault, act: Callable[[CampaignHost], None]) -> None:
        host = self._host(fault)
        if host.name in self._down or not host.runs:
            self._say(f"passed over: {host.name} is down already")
            return
        self._down[host.name] = fault.kind
        act(host)

    def _recover(self, name: str, kind: str) -> None:
        host = self._stage.hosts[name]
        if kind == "host-cut-off-redis":
            host.cable.mend()
            self._cut.discard(name)
        elif self._down.get(name) == kind:
            if kind == "host-freeze":
                host.thaw()
            else:
                host.start(wait=False)
            del self._down[name]

    # --- Redis and mail

    def _redis_restart(self, _: Fault) -> None:
        self._thaw_redis()
        self._stage.redis.stop()
        self._stage.redis.start()

    def _redis_kill(self, _: Fault) -> None:
        self._thaw_redis()
        os.kill(self._stage.redis.pid or 0, signal.SIGKILL)
        while self._stage.redis.pid is not None:
            time.sleep(0.01)
        self._stage.redis.start()

    def _redis_emptied(self, _: Fault) -> None:
        self._thaw_redis()
        self._if_redis_runs(self._stage.client.flushall)

    def _redis_freeze(self, _: Fault) -> None:
        if not self._redis_frozen:
            os.kill(self._stage.redis.pid or 0, signal.SIGSTOP)
            self._redis_frozen = True

    def _thaw_redis(self) -> None:
        if self._redis_frozen:
            os.kill(self._stage.redis.pid or 0, signal.SIGCONT)
            self._redis_frozen = False

    def _mailboxes(self) -> list[str]:
        boxes = [OPERATOR, *(box for post in self._stage.posts() for box in _mailboxes(post))]
        return [self._stage.site.mailbox(box) for box in boxes]

    def _mail_loss(self, _: Fault) -> None:
        self._if_redis_runs(lambda: self._stage.client.delete(*self._mailboxes()))

    def _mail_garbage(self, fault: Fault) -> None:
        chance = random.Random(fault.settings["seed"])
        for box in self._mailboxes():
            self._if_redis_runs(lambda box=box: self._stage.client.lpush(box, chance.choice(GARBAGE)))  # type: ignore[misc]

    def _if_redis_runs(self, act: Callable[[], object]) -> None:
        if not self._redis_frozen:
            with contextlib.suppress(RedisError):  # it is still loading
                act()

    # --- the world at once

    def _startd_restarts(self, fault: Fault) -> None:
        count = self._stage.world("restart_startds", **fault.settings)
        self._say(f"      {count} startds restarted")

    def _spot_reclaims(self, fault: Fault) -> None:
        count = self._stage.world("reclaim", **fault.settings)
        self._say(f"      {count} VMs were taken back by their cloud")

    def _spot_notices(self, fault: Fault) -> None:
        count = self._stage.world("warn", **fault.settings)
        self._say(f"      {count} VMs will be taken back by their cloud, it says")

    # --- the operator

    def _operator(self, fault: Fault) -> None:
        with contextlib.suppress(BrokerError, WorldAway, WorldRefused):
            ready = [vm for vm in self._stage.rows() if vm.state is State.READY]
            if not ready:
                return
            vm = random.Random(fault.settings["seed"]).choice(ready)
            verb = fault.kind.removeprefix("operator-")
            if verb == "kill":
                self._played.killed_by_operator.add(vm.instance_id)  # even if no answer comes: it may be done
            self._say(f"      {verb} {vm.id} ({vm.instance_id}): {self._wish(verb, 'vm', vm.id)}")

    def _wish(self, verb: str, selector: str, name: str) -> Any:
        wanted = send_wish.wish(verb, selector, name, "the campaign wishes it", 300.0)
        with contextlib.suppress(BrokerError):
            outcome = send_wish.ask(self._stage.config, wanted, 20.0)
            return outcome.verdict if outcome else "no answer"
        return "no answer"
