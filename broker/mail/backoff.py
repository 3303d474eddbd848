"""How long to wait before the next try: short at first, doubled each time, bounded, and cut short by a stop."""

import threading

FIRST_S, LONGEST_S = 0.1, 5.0


class Pauses:
    """Growing pauses. `reset` after a success. Not shared between threads."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._next_s = FIRST_S

    def wait(self) -> bool:
        """Wait for the next pause; True if the stop came meanwhile."""
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_S)
        return self._stop.wait(pause_s)

    def reset(self) -> None:
        """Begin with the short pause again."""
        self._next_s = FIRST_S
