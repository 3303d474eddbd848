"""`make demo-ha`: the demo's main job on three hosts, of which one is killed and one is frozen on the way.

The hosts share one Redis; each holds some posts. While jobs run, the host that holds the priced cloud is killed with
kill -9 and started again later; then the host that holds the queue is frozen for three TTLs and woken up, with its
late orders void. The same promises are judged, by the pool's history and the clouds' ledger; and each post must have
been served elsewhere within TTL + tick + 1 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.console.status_model import Status
from broker.connection.embedded import EmbeddedServer
from deploy.lab.demo.ha_hosts import NAMES, Life, ThreeHosts
from deploy.lab.demo.ha_screen import LINES, holder, hosts, moved
from deploy.lab.demo.promises import Broken
from deploy.lab.demo.run import Demo, NotUp, stage
from deploy.lab.demo.screen import Scene, draw
from deploy.lab.demo.stage import Stage, toml
from deploy.lab.demo.words import Said

TTL_S, TICK_S = 3.0, 0.5  # as in the stage's configuration
TAKEOVER_S = TTL_S + TICK_S + 1.0
KILL_AT_S, AGAIN_AFTER_S, FROZEN_S = 8.0, 6.0, 3 * TTL_S
PASSWORD = "APF_DEMO_REDIS_PASSWORD"
EMBEDDED = 'redis = "embedded"'


class HaDemo(Demo):
    """See `Demo`. `redis` is up; its password is in the environment."""

    def __init__(self, console: Console, folder: Path, stage: Stage, redis: EmbeddedServer) -> None:
        super().__init__(console, folder, OnRedis(stage, redis))
        self._hosts: ThreeHosts
        self._status: Status | None = None
        self._began = 0.0

    @property
    def late(self) -> tuple[str, ...]:
        """The sentences about hosts whose posts were not served elsewhere in time."""
        return tuple(moved(name, life) for name, life in self._hosts.lives.items() if life.lost and not in_time(life))

    def hurt(self) -> tuple[str, ...]:
        return tuple(moved(name, life) for name, life in self._hosts.lives.items() if life.lost)

    def _host(self, config: Path) -> ThreeHosts:
        self._hosts = ThreeHosts(config, self._folder, self._stage.environment())
        return self._hosts

    def _picture(self, scene: Scene) -> RenderableType:
        posts = self._status.posts if self._status else ()
        rest = draw(scene, self._console.width, max(20, self._console.height - LINES))
        return Group(hosts(self._hosts.lives, posts), rest)

    def _meanwhile(self, status: Status) -> None:
        """The next act of the play, when it is time for it. What the rows explain counts, as what the logs do."""
        self._status = status
        self._explained |= {w.decision for queue in status.queues for w in queue.wants if w.reasons}
        self._began = self._began or time.time()
        for life in self._hosts.lives.values():
            note_served(life, status)
        killed, frozen = (self._in(state) for state in ("killed", "frozen"))
        hurt = [life for life in self._hosts.lives.values() if life.hurt_at]
        if not hurt and time.time() - self._began > KILL_AT_S:
            self._strike("kill", "cloud/spot", status)
        elif killed and time.time() - self._life(killed).hurt_at > AGAIN_AFTER_S:
            self._hosts.restart(killed)
            self._tell_act(f"{killed} is started again", "as an operator would; it takes its share", "green")
        elif len(hurt) == 1 and self._shares(status) and not killed:
            self._strike("freeze", "queue/atlas", status)
        elif frozen and time.time() - self._life(frozen).hurt_at > FROZEN_S:
            self._hosts.thaw(frozen)
            self._tell_act(f"{frozen} wakes up", "its terms are over: what it still wanted to do is void", "green")

    def _strike(self, how: str, post: str, status: Status) -> None:
        """The host that holds this post, or, if it was struck before, the one that holds the most."""
        held = {name: tuple(sorted(one.post for one in status.posts if holder(one) == name)) for name in NAMES}
        whole = [name for name in NAMES if held[name] and not self._life(name).hurt_at]
        if not whole:
            return
        name = max(whole, key=lambda one: (post in held[one], len(held[one])))
        told = f"it held {', '.join(held[name])}"
        if how == "kill":
            self._hosts.kill(name, held[name])
            self._tell_act(f"{name} IS KILLED", f"kill -9; {told}", "bold red")
        else:
            self._hosts.freeze(name, held[name])
            self._tell_act(f"{name} IS FROZEN", f"SIGSTOP for {FROZEN_S:g} s; {told}", "bold yellow")

    def _shares(self, status: Status) -> bool:
        """Whether every host holds something."""
        return {holder(post) for post in status.posts} == set(self._hosts.lives)

    def _in(self, state: str) -> str:
        return next((name for name, life in self._hosts.lives.items() if life.state == state), "")

    def _life(self, name: str) -> Life:
        return self._hosts.lives[name]

    def _tell_act(self, what: str, why: str, colour: str) -> None:
        self._say(Said(at=time.strftime("%H:%M:%S", time.gmtime()), what=what, why=why, colour=colour))


class OnRedis:
    """A stage whose factory uses a Redis that is up, as several hosts must. See `Stage`."""

    def __init__(self, inner: Stage, redis: EmbeddedServer) -> None:
        self._inner, self._redis = inner, redis
        self.title = f"three hosts, {inner.title}"
        self.environment, self.submit = inner.environment, inner.submit
        self.jobs, self.lives = inner.jobs, inner.lives

    def config(self, directory: Path) -> str:
        url = f'redis = {toml(str(self._redis.address))}\nredis_password = "env:{PASSWORD}"'
        return self._inner.config(directory).replace(EMBEDDED, url)


def note_served(life: Life, status: Status) -> None:
    """How soon each post that it lost was held in a newer term, by Redis's own time of that term."""
    for post in status.posts:
        if post.post in life.lost and post.since_at > life.hurt_at:
            life.served_s.setdefault(post.post, post.since_at - life.hurt_at)


def in_time(life: Life) -> bool:
    return set(life.served_s) == set(life.lost) and max(life.served_s.values()) <= TAKEOVER_S


def run(console: Console, simulated: bool = False) -> int:
    """Show it; 0 if every promise was kept and every post served in time, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="apf-demo-ha-"))
    try:
        with ExitStack() as exits:
            redis = exits.enter_context(EmbeddedServer(folder / "redis", port=0))
            os.environ[PASSWORD] = redis.address.password or ""
            demo = HaDemo(console, folder, stage(console, exits, simulated), redis)
            kept = verdict(console, demo, demo.play())
    except NotUp as reason:
        console.print(Text(f"{reason}; the logs are in {folder}", style="red"))
        return 1
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    if not kept:
        console.print(f"The hosts' logs and their configuration are kept in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def verdict(console: Console, demo: HaDemo, broken: tuple[Broken, ...]) -> bool:
    """The figures of the hosts; whether all is well."""
    for line in demo.hurt():
        style = "red" if line in demo.late else "green"
        console.print(Text(f"{line}; {TAKEOVER_S:g} s are allowed", style=style))
    if len(demo.hurt()) < 2:
        console.print(Text("the jobs were done before one host was killed and one frozen", style="red"))
    return not broken and not demo.late and len(demo.hurt()) == 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.lab.demo.ha", description="The demo on three hosts.")
    parser.add_argument("--simulated", action="store_true", help="without HTCondor: pool and clouds in memory")
    sys.exit(run(Console(highlight=False), parser.parse_args().simulated))


if __name__ == "__main__":
    main()
