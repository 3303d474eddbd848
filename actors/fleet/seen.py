"""The name by which packages written for 0.1.0 know `observations`."""

from actors.fleet.observations import *  # noqa: F403
