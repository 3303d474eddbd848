"""One campaign: the fleet grows, faults happen while demand goes up and down, all is healed, and everything must end.

The list of faults comes from the seed; how the hosts run in between is up to the machine. So a seed repeats a story,
not a race. While it plays, a second thread looks every half second whether the factory is whole: every post held by a
host that runs, and every source read well, by a look begun after the last fault ended.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from actors.clouds.simulated.link import WorldAway
from actors.fleet.observations import Failed
from actors.store.readings import demand_of, demand_places, listing_head, startds_head
from broker.errors import BrokerError
from tests.world_campaign.acts import Acts
from tests.world_campaign.faults import HOSTS, Fault
from tests.world_campaign.judge import broken
from tests.world_campaign.played import Played
from tests.world_campaign.stage import QUEUES, Stage, until

WAVES = (1.1, 0.2, 1.0, 0.05, 1.15, 0.4, 1.0, 0.1)  # jobs at once, as a share of the VMs that clouds have room for


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a campaign is played. `over_s`: in which time the faults happen."""

    faults: Sequence[Fault]
    seed: int
    over_s: float
    grow_s: float  # the longest time that growing may take
    end_s: float  # and ending
    impatient: bool = False  # stop when the ledger shows a broken promise


class Broken(Exception):
    """The ledger shows it already: there is no need to go on."""


class Campaign:
    """`told` gets each line of the transcript."""

    def __init__(self, stage: Stage, script: Script, told: Callable[[str], None]) -> None:
        self._stage, self._script, self._told = stage, script, told
        self._chance = random.Random(script.seed)
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: list[tuple[Fault, float]] = []  # faults that ended and from which it is not whole yet, when
        self._demand = 0.0
        self._ledger_at = 0.0
        self._pool = ThreadPoolExecutor(max_workers=6)
        self.played = Played()
        self._acts = Acts(stage, self.played, self.say)

    def play(self) -> Played:
        """Never raises for what the factory does: see `Played.wrong`."""
        threads = [threading.Thread(target=work, daemon=True) for work in (self._keep_demand, self._watch)]
        try:
            self._stage.start()
            until(self._whole, "three hosts share all posts", 120)
            for thread in threads:
                thread.start()
            self._grow()
            self._do_faults()
            self._heal()
            self._end()
        except Broken:
            self.played.stopped = True
            self.say("broken already")
        except (TimeoutError, BrokerError, AssertionError) as wrong:
            self.played.wrong = f"{type(wrong).__name__}: {wrong}"
            self.say(self.played.wrong)
        finally:
            self._stop.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            for thread in threads:
                thread.join(30) if thread.ident else None
        return self.played

    def say(self, line: str) -> None:
        self._told(f"{time.monotonic() - self._began:7.1f} s  {line}")

    # --- the three parts

    def _grow(self) -> None:
        self._demand = WAVES[0]
        wanted = 0.95 * self._stage.vms
        with contextlib.suppress(TimeoutError):
            self.played.grown_s = until(lambda: self._alive() >= wanted, "the fleet has grown", self._script.grow_s)
        self.say(f"{self._alive()} VMs after {time.monotonic() - self._began:.0f} s")

    def _do_faults(self) -> None:
        began = time.monotonic()
        due = [(fault.at_s, number, fault, True) for number, fault in enumerate(self._script.faults)]
        heapq.heapify(due)
        order = itertools.count(len(due))
        step_s = self._script.over_s / len(WAVES)
        while due or time.monotonic() - began < self._script.over_s:
            at = time.monotonic() - began
            self._demand = WAVES[min(int(at / step_s), len(WAVES) - 1)]
            if due and due[0][0] <= at:
                _, _, fault, begins = heapq.heappop(due)
                self._begin_or_end(fault, begins)
                if begins and fault.for_s:
                    heapq.heappush(due, (at + fault.for_s, next(order), fault, False))
            else:
                time.sleep(0.05)
            self._look_in_ledger()
        self.played.faults_s = time.monotonic() - began

    def _look_in_ledger(self) -> None:
        if self._script.impatient and time.monotonic() > self._ledger_at:
            self._ledger_at = time.monotonic() + 1.0
            if broken(self._stage, self.played):
                raise Broken

    def _begin_or_end(self, fault: Fault, begins: bool) -> None:
        self.say(f"{'begin' if begins else 'end  '} {fault}")
        if begins:
            self.played.faults.append(fault)
            self._acts.begin(fault, self._pool)
        else:
            self._acts.end(fault)
        if not begins or not fault.for_s:
            with self._lock:
                self._open.append((fault, time.monotonic()))

    def _heal(self) -> None:
        self._demand = 0.0
        self._acts.heal()
        self.say("all is healed; no more jobs")
        until(self._whole, "the factory is whole again", 180)
        self._acts.release()

    def _end(self) -> None:
        began = time.monotonic()
        until(lambda: not self._jobs(), "all jobs are done", self._script.end_s)
        self.say("all jobs are done")
        until(self._settled, "no VM is left, and no row", self._script.end_s, 1)
        self.played.ended_s = time.monotonic() - began
        self.say("no VM is left, and no row")

    # --- how things stand

    def _alive(self) -> int:
        alive = sum(self._stage.world("stand")["alive"].values())
        self.played.most_alive = max(alive, self.played.most_alive)
        return int(alive)

    def _settled(self) -> bool:
        self._look_in_ledger()
        return not self._alive() and not self._rows_alive()

    def _jobs(self) -> int:
        return int(sum(self._stage.world("stand")["jobs"].values()))

    def _rows_alive(self) -> bool:
        try:
            return any(vm.alive for vm in self._stage.rows())
        except BrokerError:
            return True

    def _keep_demand(self) -> None:
        """So many jobs at once as the wave says; each queue has its half."""
        shortest, longest = self._stage.pace.job_s
        for turn in itertools.count(1):
            if self._stop.wait(0.5):
                return
            missing = int(self._demand * self._stage.vms) - self._jobs()
            while missing > 0:
                jobs = min(missing, max(5, self._stage.vms // 50))
                seconds = round(self._chance.uniform(shortest, longest), 1)
                self._stage.world("submit", queue=self._chance.choice(QUEUES), jobs=jobs, seconds=seconds)
                missing -= jobs
            alive = self._alive()
            if turn % 20 == 0:
                self.say(f"      {alive} VMs, {self._jobs()} jobs")

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            with self._lock:
                waiting = list(self._open)
            if waiting and not self._acts.busy and self._whole(max(ended for _, ended in waiting)):
                now = time.monotonic()
                with self._lock:
                    self._open = [one for one in self._open if one not in waiting]
                for fault, ended in waiting:
                    self.played.whole_s[fault.kind].append(now - ended)

    def _whole(self, since: float = 0.0) -> bool:
        """Every post is held by a host that runs; every source was read well by a look begun after `since`."""
        try:
            running = {name for name in HOSTS if self._stage.hosts[name].runs}
            holders = self._stage.holders()
            if set(holders) != self._stage.posts() or set(holders.values()) != running:
                return False
            after = time.time() - (time.monotonic() - since) if since else 0.0
            return self._read_after(after)
        except (BrokerError, WorldAway):
            return False

    def _read_after(self, at: float) -> bool:
        table = self._stage.table
        startds = startds_head(table, "local")
        listings = [listing_head(table, cloud) for cloud in self._stage.config.clouds]
        demands = [demand_of(table, "local", table.get_many(demand_places("local", queue))) for queue in QUEUES]
        return (
            all(head.at > at and not head.failed for head in listings)
            and startds.at > at
            and not startds.failed
            and all(not isinstance(demand, Failed) and demand.at > at for demand in demands)
        )
