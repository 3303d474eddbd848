"""`serve.py keystone|placement|stand_ins|nova ...`: parts of the lab's OpenStack in one process, until it is ended.

Nova's conductor, scheduler and compute are threads beside its API; what they say to each other goes through memory.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

ETC, PORT, WHAT = os.environ["OSLAB_ETC"], int(os.environ["OSLAB_PORT"]), sys.argv[1:]
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
os.environ.update(OS_KEYSTONE_CONFIG_DIR=ETC, OS_KEYSTONE_CONFIG_FILES="keystone.conf")
os.environ.update(OS_PLACEMENT_CONFIG_DIR=ETC, OS_NOVA_CONFIG_DIR=ETC)
sys.argv = ["openstack-lab"]  # they read it
sys.path.insert(0, str(Path(__file__).parent))

import sqlite_tune  # type: ignore[import-not-found]  # noqa: E402
from waitress.server import create_server  # noqa: E402

POLL_S = 0.005  # the in-memory driver looks each 50 ms by itself
sqlite_tune.tune()


class Impatient:
    """What stands for the module `time` in the in-memory driver."""

    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, POLL_S))


def serve(application: Any, port: int, threads: int = 8) -> None:
    server = create_server(
        application, host="127.0.0.1", port=port, threads=threads, connection_limit=500, channel_timeout=600
    )
    threading.Thread(target=server.run, daemon=True).start()


def keystone() -> None:
    from keystone.wsgi.api import application

    serve(application, PORT)


def placement() -> None:
    from placement.wsgi.api import application

    serve(application, PORT + 1)


def stand_ins() -> None:
    import stand_ins as both  # type: ignore[import-not-found]

    serve(both.glance, PORT + 2)
    serve(both.neutron, PORT + 3)


def nova() -> None:
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    from nova.wsgi.osapi_compute import application

    _services()
    serve(application, PORT + 4, 16)


def _services() -> None:
    import nova.conf
    import os_brick
    import os_vif
    from nova import objects, service
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler
    from nova.scheduler.client import report
    from oslo_messaging._drivers import impl_fake

    impl_fake.time = Impatient
    # each claim asks Placement for every instance of the host, for reshapes, which the fake driver has not
    report.SchedulerReportClient.get_allocations_for_provider_tree = lambda *_: {}
    os_brick.setup(nova.conf.CONF)
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    compute_topics = {"topic": compute.RPC_TOPIC, "topic_alt": compute.RPC_TOPIC_ALT}
    service.Service.create(binary="nova-conductor", topic=conductor.RPC_TOPIC).start()
    service.Service.create(binary="nova-scheduler", topic=scheduler.RPC_TOPIC).start()
    service.Service.create(binary="nova-compute", **compute_topics).start()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parts = {"keystone": keystone, "placement": placement, "stand_ins": stand_ins, "nova": nova}
    for what in WHAT:
        parts[what]()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
