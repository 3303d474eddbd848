"""What runs in the child processes of an HTCondor pool: settings, then the tasks. Only here and in the `condor_*` files
beside it is htcondor2 imported; the host never imports it.

The library is set up by `param` alone (CONDOR_CONFIG=/dev/null), so that a machine's own HTCondor configuration cannot
change what the factory does. Its errors are poor ("Failed communication with collector." for a dead host and a refused
token alike), but it logs the cause to the standard error. So that is a file in memory here, read after each failure.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import htcondor2

from actors.pools.htcondor import advertised, changes, drain, errors, jobs, run_limits, startds, submits, wake

TASKS: dict[str, Callable[..., Iterator[Any]]] = {
    "schedds": jobs.schedds,
    "jobs": jobs.jobs,
    "jobs_on": jobs.jobs_on,
    "shared_limits": run_limits.shared_limits,
    "wake": wake.wake,
    "startds": changes.startds,
    "joined": startds.joined,
    "advertised": advertised.advertised,
    "look": drain.look,
    "drain": drain.drain,
    "cancel": drain.cancel,
    "evict": drain.evict,
    "may_administer": drain.may_administer,
    "submit": submits.submit,
    "queued": submits.queued,
    "left": submits.left,
    "remove": submits.remove,
    "edit": submits.edit,
}


def begin(collector: str, token_directory: str, trust_domain: str, timeout_s: float) -> None:
    """Set the library up for one pool. Empty texts leave its defaults."""
    param = htcondor2.param
    param["COLLECTOR_HOST"] = collector
    param["QUERY_TIMEOUT"] = str(max(1, int(timeout_s)))
    if token_directory:
        param["SEC_CLIENT_AUTHENTICATION_METHODS"] = "IDTOKENS"
        param["SEC_TOKEN_DIRECTORY"] = os.path.expanduser(token_directory)
    if trust_domain:
        param["TRUST_DOMAIN"] = trust_domain
    gc.disable()  # rest() does it, between tasks: 10,000 ads set it off again and again
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    errors.listen()


def rest() -> None:
    """What can wait until the answer is out."""
    changes.forget_ads()
    gc.collect()
