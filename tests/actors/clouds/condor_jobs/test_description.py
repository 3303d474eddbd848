"""What a pilot asks the schedd for."""

from __future__ import annotations

import json
from typing import Any

from actors.clouds.condor_jobs.description import request_of
from actors.clouds.port import Order
from actors.config.schema import CondorJobsCloud

ORDER = Order(intent="i", queue="atlas", count=1, token="t", user_data="", decision="d")
KNOWN = {"kind": "condor-jobs", "pool": "local", "executable": "/bin/pilot", "max_vms": 1}


def described(submit: dict[str, str], **shape: int) -> dict[str, Any]:
    cloud = CondorJobsCloud.model_validate({**KNOWN, "shape": shape, "submit": submit})
    found: dict[str, Any] = json.loads(request_of(cloud, "apf", "pilots", ORDER))["description"]
    return {name: value for name, value in found.items() if name.lower().startswith("request")}


def test_a_pilot_asks_for_what_decisions_count_it_as() -> None:
    asked = described({}, cpus=8, memory_mib=16_000, disk_mib=20_000)
    assert asked == {"request_cpus": "8", "request_memory": "16000M", "request_disk": "20000M"}
    assert described({}, cpus=1, memory_mib=2_000, gpus=1)["request_gpus"] == "1"


def test_what_the_operator_says_of_it_holds() -> None:
    asked = described({"Request_Memory": "1G", "RequestDisk": "5"}, cpus=2, memory_mib=2_000)
    assert asked == {"request_cpus": "2", "Request_Memory": "1G", "RequestDisk": "5"}
