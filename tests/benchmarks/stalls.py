"""How long the other threads of a process were kept from running."""

from __future__ import annotations

import threading
import time


class Watch:
    """`with Watch() as watch: ...`, then `watch.longest_s`: the longest oversleep of a thread that sleeps 1 ms."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self.longest_s = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            start = time.perf_counter()
            time.sleep(0.001)
            self.longest_s = max(self.longest_s, time.perf_counter() - start - 0.001)
