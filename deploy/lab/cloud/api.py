"""The lab's EC2 API as a process of its own on loopback, that ends with whoever started it.

    with CloudApi() as cloud:
        boto3.client("ec2", endpoint_url=cloud.endpoint, region_name="us-east-1", ...)
        cloud.control.set(capacity={"m5.large": 2})
        cloud.control.fault("delay", seconds=3)

Any key pair and any region do. By hand: `python -m deploy.lab.cloud.api --port 5000`.
"""

from __future__ import annotations

import argparse
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from deploy.lab import keeper
from deploy.lab.cloud.control import Control

IMAGE = "ami-785db401"  # an image that this cloud knows, in every region; cloud_moto has the same
READY = "EC2 API at "
_ROOT = Path(__file__).parents[3]


class CannotStart(Exception):
    """The process did not come up. Its own words are in the message."""


class CloudApi:
    """Starts the API (`port` 0: a free one) and stops it. `endpoint` is known once it is entered."""

    def __init__(self, port: int = 0, start_s: float = 60.0) -> None:
        self._port = port
        self._start_s = start_s
        self._child: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    @property
    def control(self) -> Control:
        return Control(self.endpoint)

    @property
    def pid(self) -> int:
        """The keeper's process id, 0 when it does not run; the API is below it."""
        return self._child.pid if self._child else 0

    def __enter__(self) -> CloudApi:
        argv = [sys.executable, "-m", "deploy.lab.cloud.api", "--port", str(self._port)]
        self._child = subprocess.Popen(
            keeper.command(os.getpid(), -1, -1, argv), cwd=_ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            self.endpoint = self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout:
            child.stdout.close()

    def _await_ready(self) -> str:
        """Read the child's first line, which is written when it answers."""
        assert self._child
        assert self._child.stdout
        deadline, text = time.monotonic() + self._start_s, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while b"\n" not in text:
                left = deadline - time.monotonic()
                more = os.read(self._child.stdout.fileno(), 4096) if left > 0 and selector.select(left) else b""
                if not more:
                    raise CannotStart(
                        f"the lab's EC2 API did not start within {self._start_s:.0f} s; it said: {text!r}"
                    )
                text += more
        return text.decode().splitlines()[0].removeprefix(READY)


def serve(host: str, port: int) -> None:
    """Answer until killed. moto is imported here, so that those who only start the process do not pay for it."""
    os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"  # an image that is not there is refused, as on EC2
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from deploy.lab.cloud.shim import Shim

    class Quiet(MotoRequestHandler):
        """Keeps connections open as EC2 does, and writes no access log."""

        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    server = make_server(host, port, Shim(), threaded=True, request_handler=Quiet)
    sys.stdout.write(f"{READY}http://{host}:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def main(*argv: str) -> None:
    parser = argparse.ArgumentParser(description="An EC2 API for trying things out; it starts nothing real.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args(argv)
    serve(asked.host, asked.port)


if __name__ == "__main__":
    main(*sys.argv[1:])
