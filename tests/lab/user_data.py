"""A user-data of the lab's own: the smallest that makes a worker, in the form that the factory's has."""

import json

from deploy.lab.pool import LabPool
from tests.condor_pool import PLAIN_WORKER

WORKER_SCRIPT = """#!/bin/sh
set -eu
exec python3 - <<'PYTHON'
import os, urllib.request
base = os.environ["APF_METADATA"]
def call(path, method="GET", **headers):
    request = urllib.request.Request(f"{base}/latest/{path}", method=method, headers=headers)
    return urllib.request.urlopen(request, timeout=5).read().decode()
token = call("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
def ask(path):
    return call(f"meta-data/{path}", **{"X-aws-ec2-metadata-token": token})
with open(os.environ["APF_ROOT"] + "/etc/condor/config.d/60-instance.conf", "w") as file:
    file.write(f'CloudInstanceID = "{ask("instance-id")}"\\n')
    file.write(f'CloudZone = "{ask("placement/availability-zone")}"\\n')
    file.write('STARTD_ATTRS = $(STARTD_ATTRS) CloudZone\\n')
PYTHON
"""


def user_data(pool: LabPool, extra: str = "") -> str:
    """A worker for this pool; `extra` is added to its configuration. (JSON is YAML, too.)"""
    files = [
        {"path": "/etc/condor/config.d/50-apf.conf", "content": PLAIN_WORKER + extra},
        {"path": "/etc/condor/tokens.d/apf", "permissions": "0600", "content": pool.worker_token() + "\n"},
        {"path": "/usr/local/sbin/apf-worker", "permissions": "0755", "content": WORKER_SCRIPT},
    ]
    return "#cloud-config\n" + json.dumps({"write_files": files, "runcmd": [["/usr/local/sbin/apf-worker"]]})
