"""`[pools.NAME]`: where work waits. One table a kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from actors.config.sections import Count, Secret, Section, Watched


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
    wakes: bool = True  # where a worker joined and jobs wait, the negotiator is called, once in 20 s at most
    worker_collector: str | None = None  # the collector as workers reach it, when they reach it by another address
    worker_token_command: tuple[str, ...] = ()  # prints an IDTOKEN that may only advertise; minted anew every 10 min
    # who may advertise our workers, as globs; none: not checked. With {launch} in one, a token for each launch
    worker_identities: tuple[str, ...] = ()


class SimulatedPool(AnyPool):
    """A pool in the memory of a world process, for trying things out where there is no HTCondor."""

    kind: Literal["simulated"]  # what answers there
    world: str  # HOST:PORT or a path of a socket
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0  # between readings
    timeout_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0  # of one call
    worker_token_command: tuple[str, ...] = ()  # as for an HTCondor pool
    worker_identities: tuple[str, ...] = ()  # as for an HTCondor pool


class HttpSource(AnyPool):
    """What every source of demand has that is asked over HTTP. It has no startds."""

    has_startds: ClassVar[bool] = False

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")]  # where it answers
    ca: str | None = None  # file or directory of the certificates that it is checked by; none: those of this machine
    proxy: str | None = None  # an X.509 proxy, or a client certificate with its key, in one file; read at each look
    token: Secret | None = None  # sent as a bearer token; a file is read again at each look
    max_bytes: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = 50_000_000  # of one answer; more is refused
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 60.0  # between looks
    timeout_s: Annotated[float, Field(ge=0.1, le=300)] = 30.0  # of one answer, from asking to its last byte


class PandaPool(HttpSource):
    """PanDA: what waits at its sites. One look a server for all queues: the `jobs` of a queue choose its sites."""

    tells_status: ClassVar[bool] = True

    kind: Literal["panda"]  # what answers there
    vo: str = ""  # the virtual organisation of the token, sent as Origin; a token is of no use without
    statistics: Literal["detailed", "by-site"] = "detailed"  # by-site: for servers that have no detailed ones
    ready: tuple[str, ...] = ("activated",)  # the states of jobs that ask for pilots
    running: tuple[str, ...] = ("sent", "starting", "running")  # those of jobs that have one
    # what "no jobs at all" is: PanDA says of itself the same when it has none and when its database is down
    empty: Literal["unknown", "zero"] = "unknown"
    # where corecount, memory and status of its sites are: "server" (its own), "none", a file, or a URL of CRIC's JSON
    specs: Annotated[str, Field(min_length=1)] = "server"
    specs_interval_s: Annotated[float, Field(ge=1)] = 600.0  # between looks at them
    multicore_cpus: Count = 0  # of a multi-core job at a site whose corecount is not known; 0: its jobs are not known
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 120.0  # its numbers move each minute or two


class Measure(Section):
    """How much of a queue's work an answer shows: of its items those that `when` holds for, counted or summed up."""

    when: Annotated[str, Field(min_length=1)] = "true"  # a ClassAd expression over an item
    sum: str = ""  # a ClassAd expression: how much an item is; none: each is one


class HttpJsonPool(HttpSource):
    """Any service that says in JSON what waits. Its answer is a list of items, each as a ClassAd: a queue's `jobs` and
    the expressions here look at the fields of one. See configs/http-json for some that are known."""

    kind: Literal["http-json"]  # what answers there
    body: str | None = None  # sent by POST, as JSON; none: asked by GET
    headers: dict[str, str] = {}  # sent along; what is secret belongs into `token` or `password`
    token_header: str = "Authorization"  # where the token is sent; in another one alone, without "Bearer"
    user: str = ""  # for basic authentication, with `password`
    password: Secret | None = None  # its other half
    success: str = "true"  # a ClassAd expression over the whole answer; where it is not true, the answer is a failure
    items: str = ""  # path to the list, as "data.queues"; "*" stands for all that is there; none: the whole answer
    idle: Measure  # what waits for a worker
    running: Measure | None = None  # what has one
    cpus: Annotated[str, Field(min_length=1)] = "1"  # of one job of an item: a ClassAd expression
    memory_mib: Annotated[str, Field(min_length=1)] = "0"  # the same
    missing: Literal["unknown", "zero"] = "unknown"  # what a queue has of which the list has no item
