"""The name by which our own tests know the conformance suite of clouds, which comes with the package."""

from deploy.conformance.clouds import *  # noqa: F403
from deploy.conformance.clouds import DEAD as DEAD
from deploy.conformance.clouds import NOBODY as NOBODY
from deploy.conformance.clouds import TOKENS_OF as TOKENS_OF
