"""Two queues in one factory on the lab: PanDA's stand-in, pilots in the pool's schedd, and VMs on which they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.lab.site import Site
from deploy.lab.wms import pilot
from deploy.lab.wms.panda import PandaStandIn
from tests.factory_configuration import QUEUE, merged

SITE, PILOTS, WMS = "LAB", "pilots", "wms"


def changes(site: Site, panda: PandaStandIn, folder: Path, patience_s: float = 2.0, **more: Any) -> Mapping[str, Any]:
    """What makes one queue two. `patience_s`: how long a pilot asks for a job."""
    pool = site.pool
    program = pool.user.write(pool.directory / "pilot.py", Path(pilot.__file__).read_text())
    pilots = {
        "kind": "condor-jobs",
        "pool": "local",
        "token_directory": str(pool.submitter_tokens(folder / "submitter")),
        "feeds": QUEUE,
        "match_apf_queue": QUEUE,
        "executable": "/usr/bin/python3",
        "arguments": f"{program} {panda.url} {SITE} {patience_s:g}",
        "submit": {
            "transfer_executable": "false",
            "should_transfer_files": "YES",
            "request_cpus": "1",
            "request_memory": "16M",
            "request_disk": "1M",
        },
        "shape": {"cpus": 1, "memory_mib": 4_000},
        "max_vms": 50,
        "interval_s": 1.0,
        "timeout_s": 10.0,
        "kept_s": 2.0,
        "held_s": 3.0,
        "short_s": 0.0,
    }
    both = {
        "pools": {WMS: {"kind": "panda", "url": panda.url, "interval_s": 1.0, "timeout_s": 5.0}},
        "clouds": {PILOTS: pilots},
        "queues": {
            WMS: {
                "pool": WMS,
                "jobs": f'ComputingSite == "{SITE}"',
                "cascade": [[PILOTS]],
                "release_after_s": 2.0,
            }
        },
    }
    return merged(both, more)
