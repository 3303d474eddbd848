"""`[pools.NAME]`: where work waits. One table a kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from actors.config.sections import Watched


class AnyPool(Watched):
    """What every kind of pool has.

    `has_startds`: whether workers join it. Where they do not, it only says what waits. `tells_status`: whether it says
    of a queue's site that it is online, in test or offline.
    """

    has_startds: ClassVar[bool] = True
    tells_status: ClassVar[bool] = False
    kind: str  # what answers there
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 15.0  # between readings
    timeout_s: Annotated[float, Field(ge=0.1, le=300)] = 20.0  # of one call
    worker_token_command: tuple[str, ...] = ()  # prints a worker's token
    worker_identities: tuple[str, ...] = ()  # who may advertise our workers, as globs; none: not checked


class HtcondorPool(AnyPool):
    kind: Literal["htcondor"] = "htcondor"  # what answers there
    collector: Annotated[str, Field(min_length=1)]  # HOST or HOST:PORT
    schedds: tuple[str, ...] = ()  # names; none: every schedd that the collector knows when asked
    token_directory: str | None = None  # IDTOKENS of the factory (0700)
    trust_domain: str | None = None  # of the IDTOKENS
    interval_s: Annotated[float, Field(ge=1, le=3600)] = 15.0  # between readings
    timeout_s: Annotated[float, Field(ge=1, le=300)] = 20.0  # of one call; the child process is killed then
    worker_collector: str | None = None  # the collector as workers reach it, when they reach it by another address
    worker_token_command: tuple[str, ...] = ()  # prints an IDTOKEN that may only advertise; minted anew every 10 min
    worker_identities: tuple[str, ...] = ()  # who may advertise our workers, as globs; none: not checked


class SimulatedPool(AnyPool):
    """A pool in the memory of a world process, for trying things out where there is no HTCondor."""

    kind: Literal["simulated"]  # what answers there
    world: str  # HOST:PORT or a path of a socket
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0  # between readings
    timeout_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0  # of one call
    worker_token_command: tuple[str, ...] = ()  # as for an HTCondor pool
    worker_identities: tuple[str, ...] = ()  # as for an HTCondor pool
