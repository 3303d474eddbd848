"""`[clouds.NAME]` of the kinds whose VMs, or pilots, are jobs in a schedd."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from actors.config.clouds import AnyCloud
from actors.config.sections import Name, Seconds


class CondorJobsCloud(AnyCloud):
    """Pilots: jobs in a schedd of one of the pools. Each takes the jobs of a workload system, and ends by itself."""

    joins_pool = False
    kind: Literal["condor-jobs"]  # what answers there
    pool: Name  # whose schedd takes the pilots; its collector, tokens and trust domain are used
    schedd: str = ""  # its name; none: the only one that the collector knows
    token_directory: str | None = None  # IDTOKENS of who submits (0700), may WRITE; none: those of the pool
    feeds: Name | None = None  # the queue whose jobs the pilots are; none: they run elsewhere
    executable: Annotated[str, Field(min_length=1)]  # what a pilot is, as the schedd's host finds it
    arguments: str = ""  # its arguments
    environment: dict[str, str] = {}  # its environment, beside APF_FACTORY, APF_QUEUE, APF_CLOUD, APF_INTENT, APF_PILOT
    proxy: str | None = None  # path of an X.509 proxy; HTCondor renews it on the way
    token_file: str | None = None  # path of a token that goes along; BEARER_TOKEN_FILE names it there
    match_apf_queue: str | None = None  # MATCH_APF_QUEUE in a pilot's ad; none: its queue's name
    # any other key of a submit description, also universe = "grid" with its grid_resource, and "+Name" for attributes
    submit: dict[str, str] = {}
    held_s: Annotated[float, Field(ge=1)] = 600.0  # a pilot that is held for longer is removed
    short_s: Seconds = 10.0  # a pilot that ends sooner found no work: to the breaker it is one that never came; 0: none
    kept_s: Seconds = 3_600.0  # one that is over stays in the schedd's queue for so long

    @property
    def made_from(self) -> str:
        return self.executable

    @property
    def short_run_s(self) -> float:
        return self.short_s
