"""Three factory hosts on one Redis, for a demo that kills one and freezes another."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from deploy.lab.demo.host import DemoHost, Line

NAMES = ("host-1", "host-2", "host-3")


@dataclass(slots=True, kw_only=True)
class Life:
    """One host and what was done to it. Times are Unix seconds, 0 when it was not done."""

    host: DemoHost
    state: str = "runs"  # runs, killed, frozen, back
    hurt_at: float = 0.0
    lost: tuple[str, ...] = ()  # the posts that it held then
    served_s: dict[str, float] = field(default_factory=dict)  # of those, how soon each was held elsewhere


class ThreeHosts:
    """`apf run CONFIG --host NAME`, three times. Usable as a context manager; see `Heard`."""

    def __init__(self, config: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._config, self._folder, self._environment = config, folder, environment
        self._exits = ExitStack()
        self._starts = 0
        self._heard: list[DemoHost] = []
        self.lives: dict[str, Life] = {}

    def __enter__(self) -> ThreeHosts:
        for name in NAMES:
            self.lives[name] = Life(host=self._start(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    @property
    def ended(self) -> bool:
        """Whether one that nobody killed has gone away."""
        return any(life.host.ended and life.state != "killed" for life in self.lives.values())

    def stop(self) -> int:
        running = [life.host for life in self.lives.values() if life.state != "killed"]
        with ThreadPoolExecutor(len(running)) as at_once:
            return max(at_once.map(DemoHost.stop, running))

    def news(self) -> list[Line]:
        lines = [line for host in self._heard for line in host.news()]
        return sorted(lines, key=lambda line: line.at)

    def kill(self, name: str, posts: tuple[str, ...]) -> None:
        self._hurt(name, posts, "killed", signal.SIGKILL)

    def freeze(self, name: str, posts: tuple[str, ...]) -> None:
        self._hurt(name, posts, "frozen", signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.lives[name].host.signal(signal.SIGCONT)
        self.lives[name].state = "back"

    def restart(self, name: str) -> None:
        life = self.lives[name]
        life.host, life.state = self._start(name), "back"

    def _hurt(self, name: str, posts: tuple[str, ...], state: str, number: signal.Signals) -> None:
        life = self.lives[name]
        life.host.signal(number)
        life.state, life.hurt_at, life.lost = state, time.time(), posts

    def _start(self, name: str) -> DemoHost:
        self._starts += 1
        log = self._folder / f"{name}-{self._starts}.log"
        host = DemoHost(self._config, log, self._environment, name)
        self._exits.enter_context(host)
        self._exits.callback(host.signal, signal.SIGCONT)
        self._heard.append(host)
        return host
