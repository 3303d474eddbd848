"""A user-data of the lab's own: the smallest that makes a worker, in the form that the factory's has."""

import json

from deploy.lab.pool.pool import LabPool
from tests.condor_pool import PLAIN_WORKER

WORKER_SCRIPT = """#!/bin/sh
set -eu
token="$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$APF_METADATA/latest/api/token")"
ask() { curl -fsS -H "X-aws-ec2-metadata-token: $token" "$APF_METADATA/latest/meta-data/$1"; }
{
  echo "CloudInstanceID = \\"$(ask instance-id)\\""
  echo "CloudZone = \\"$(ask placement/availability-zone)\\""
  echo 'STARTD_ATTRS = $(STARTD_ATTRS) CloudZone'
} >"$APF_ROOT/etc/condor/config.d/60-instance.conf"
"""


def user_data(pool: LabPool, extra: str = "") -> str:
    """A worker for this pool; `extra` is added to its configuration. (JSON is YAML, too.)"""
    files = [
        {
            "path": "/etc/condor/config.d/50-apf.conf",
            "content": f"{PLAIN_WORKER}COLLECTOR_HOST = {pool.collector}\n{extra}",
        },
        {"path": "/etc/condor/tokens.d/apf", "permissions": "0600", "content": pool.worker_token() + "\n"},
        {"path": "/usr/local/sbin/apf-worker", "permissions": "0755", "content": WORKER_SCRIPT},
    ]
    return "#cloud-config\n" + json.dumps({"write_files": files, "runcmd": [["/usr/local/sbin/apf-worker"]]})
