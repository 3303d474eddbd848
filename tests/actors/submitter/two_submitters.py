"""Two clouds that share a limit, each with a submitter on a host of its own."""

from __future__ import annotations

import threading

from actors.config.schema import Config
from broker.connection.address import Site
from tests.actors.stage import Stage


class TwoSubmitters:
    """Instances that started are the truth that a test looks at."""

    def __init__(self, site: Site, config: Config, first: str, second: str) -> None:
        self.both = (Stage(site, config, first), Stage(site, config, second))
        for stage in self.both:
            stage.cloud.room = 1_000
            stage.list_cloud()

    def look(self) -> None:
        for stage in self.both:
            stage.look()

    def look_at_the_same_moment(self) -> None:
        start = threading.Barrier(2)

        def look(stage: Stage) -> None:
            start.wait()
            stage.look()

        threads = [threading.Thread(target=look, args=(stage,)) for stage in self.both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def vms(self) -> int:
        return sum(len(stage.cloud.instances()) for stage in self.both)

    def close(self) -> None:
        for stage in self.both:
            stage.close()
