"""A pilot's submit description: what the operator says of it, and what the factory adds."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from actors.clouds import schedd_jobs
from actors.clouds.port import Order
from actors.config.schema import CondorJobsCloud

# where the factory happens to run is no place for a pilot's output, nor may the job's owner enter it
QUIET = {"notification": "never", "initialdir": "/tmp"}


def request_of(config: CondorJobsCloud, factory: str, cloud: str, order: Order) -> str:
    """The whole request as JSON. The same order gives the same text."""
    description = {
        "universe": "vanilla",
        **QUIET,
        "executable": config.executable,
        **({"arguments": config.arguments} if config.arguments else {}),
        **_requests(config),
        **{_attribute(name): value for name, value in config.submit.items()},
        **_credentials(config),
        "environment": environment({
            **config.environment,
            "APF_FACTORY": factory,
            "APF_QUEUE": order.queue,
            "APF_CLOUD": cloud,
            "APF_INTENT": order.intent,
            "APF_PILOT": "$(Cluster).$(Process)",
            **({"BEARER_TOKEN_FILE": PurePath(config.token_file).name} if config.token_file else {}),
        }),
        "leave_in_queue": schedd_jobs.kept_while(config.kept_s),
        **schedd_jobs.marks(factory, cloud, order),
        "My.MATCH_APF_QUEUE": schedd_jobs.quoted(config.match_apf_queue or order.queue),
    }  # fmt: skip
    return json.dumps({"description": description, "count": order.count, "token": order.token}, sort_keys=True)


def thaw(request: str) -> tuple[dict[str, str], int, str]:
    """(description, count, token) of a request that was written down; it names its digest in the jobs' ads."""
    facts: dict[str, Any] = json.loads(request)
    described = {**facts["description"], "My.ApfRequest": schedd_jobs.quoted(schedd_jobs.digest(request))}
    return described, int(facts["count"]), str(facts["token"])


def environment(values: dict[str, str]) -> str:
    """As HTCondor reads it: A='one' B='it''s', in double quotes, in which one stands for itself twice."""
    pairs = (f"{name}='{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items())
    inner = " ".join(pairs).replace('"', '""')
    return f'"{inner}"'


def _requests(config: CondorJobsCloud) -> dict[str, str]:
    """What decisions count a pilot as is what it asks for, unless the operator's own keys ask otherwise."""
    shape = config.shape
    asks = {"cpus": str(shape.cpus), "memory": f"{shape.memory_mib}M", "disk": f"{shape.disk_mib}M"}
    asks |= {"gpus": str(shape.gpus)} if shape.gpus else {}
    said = {name.lower().replace("_", "") for name in config.submit}
    return {f"request_{what}": amount for what, amount in asks.items() if f"request{what}" not in said}


def _attribute(name: str) -> str:
    return f"My.{name[1:]}" if name.startswith("+") else name


def _credentials(config: CondorJobsCloud) -> dict[str, str]:
    """A proxy is renewed on the way by HTCondor; a token's file goes along as an input of the pilot."""
    files = [name for name in (config.submit.get("transfer_input_files"), config.token_file) if name]
    return {
        **({"x509userproxy": config.proxy} if config.proxy else {}),
        **({"transfer_input_files": ", ".join(files)} if config.token_file else {}),
    }
