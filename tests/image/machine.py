"""A VM under qemu, as EC2 would run it: behind a NAT, and with its metadata service at 169.254.169.254.

The NAT is qemu's own: nobody reaches the guest, and it reaches what this process reaches. Its network is the link-local
one, since qemu can answer for an address of the guest's own network only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.cloud.metadata import MetadataService
from tests.image.disk import Disk

INSTANCE = "i-0123456789abcdef0"
ZONE, REGION, TYPE = "us-east-1a", "us-east-1", "m5.large"
CPUS, MEMORY_MIB = 2, 2048
_MAC, _ADDRESS = "52:54:00:12:34:56", "169.254.0.15"
_SERIAL = "ec2e1916-9099-7caf-fd21-012345abcdef"  # by its first letters cloud-init knows where it is
# One connection of the guest's is one of these: qemu starts it, and speaks to it on its standard input and output.
_CONNECT = """
import os, socket, sys, threading
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while sent := os.read(0, 65536):
        peer.sendall(sent)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while said := peer.recv(65536):
    os.write(1, said)
"""


@contextmanager
def running(disk: Disk, user_data: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Boot it; it is cut off at the end. What it says stands in `folder`/console."""
    connect = folder / "connect.py"
    connect.write_text(_CONNECT)
    with MetadataService() as metadata, (folder / "console").open("wb") as console:
        metadata.add(INSTANCE, _answers(user_data))
        machine = subprocess.Popen(
            _command(disk, f"{sys.executable} {connect} {metadata.port}"), stdin=subprocess.DEVNULL, stdout=console
        )
        try:
            yield machine
        finally:
            machine.kill()
            machine.wait()


def _command(disk: Disk, metadata: str) -> list[str]:
    network = (
        f"user,id=net0,net=169.254.0.0/16,host=169.254.0.2,dhcpstart={_ADDRESS},ipv6=off,"
        f"guestfwd=tcp:169.254.169.254:80-cmd:{metadata}"
    )
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(CPUS), "-m", str(MEMORY_MIB),
        "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-snapshot",
        "-drive", f"file={disk.image},if=virtio,format=raw", "-kernel", os.fspath(disk.kernel),
        "-initrd", os.fspath(disk.initrd), "-append", "root=LABEL=root rw console=ttyS0 net.ifnames=0",
        "-netdev", network, "-device", f"virtio-net-pci,netdev=net0,mac={_MAC}",
        "-smbios", f"type=1,manufacturer=Amazon EC2,product={TYPE},uuid={_SERIAL},serial={_SERIAL}",
    ]  # fmt: skip


def _answers(user_data: str) -> dict[str, str]:
    card = f"network/interfaces/macs/{_MAC}"
    told = {
        "ami-id": "ami-0123456789abcdef0",
        "instance-id": INSTANCE,
        "instance-type": TYPE,
        "instance-life-cycle": "spot",
        "hostname": "ip-169-254-0-15",
        "local-hostname": "ip-169-254-0-15",
        "local-ipv4": _ADDRESS,
        "mac": _MAC,
        "placement/availability-zone": ZONE,
        "placement/region": REGION,
        f"{card}/device-number": "0",
        f"{card}/interface-id": "eni-0",
        f"{card}/local-ipv4s": _ADDRESS,
        f"{card}/mac": _MAC,
        f"{card}/subnet-ipv4-cidr-block": "169.254.0.0/16",
    }
    document = {"instanceId": INSTANCE, "instanceType": TYPE, "region": REGION, "availabilityZone": ZONE}
    return {
        "user-data": user_data,
        "dynamic/instance-identity/document": json.dumps(document),
        **{f"meta-data/{name}": text for name, text in told.items()},
    }
