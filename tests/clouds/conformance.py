"""The name by which packages written for 0.1.0 know the conformance suite of clouds."""

from tests.actors.clouds.conformance import *  # noqa: F403
