"""A disk with a stock Debian on it, made by debootstrap from this machine's own mirror. Needs root.

Stock: what Debian's cloud images have for this (cloud-init, curl, nftables, systemd), and no HTCondor. Its packages are
only put into apt's cache, so that a guest without a way out can install them as one with a way out would.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.pool import condor

SUITE = "trixie"  # the first that has an HTCondor package and stands still
PACKAGES = (
    "systemd-sysv", "systemd-resolved", "udev", "dbus", "iproute2", "netplan.io", "ca-certificates", "openssh-server",
    "linux-image-cloud-amd64", "cloud-init", "curl", "nftables",
)  # fmt: skip
FILES = {
    "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
    "etc/cloud/cloud.cfg.d/90-datasource.cfg": "datasource_list: [ Ec2 ]\n",  # as in the images that Amazon has
    "etc/machine-id": "",
}
SIZE = "5G"  # sparse
LIMIT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Disk:
    image: Path
    kernel: Path
    initrd: Path


def stock_debian(folder: Path) -> Disk:
    """Made in `folder` if it is not there. Raises CalledProcessError, with what the command said."""
    root, image = folder / "root", folder / "stock.img"
    if not image.exists():
        shutil.rmtree(root, ignore_errors=True)
        _run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root), condor.mirror())
        _run("chroot", str(root), "apt-get", "-qq", "update")
        _run("chroot", str(root), "apt-get", "-qqy", "install", "--download-only", "condor")
        for path, text in FILES.items():
            (root / path).write_text(text)
        partial = image.with_suffix(".partial")
        _run("mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(partial), SIZE)
        partial.rename(image)
    boot = root / "boot"
    return Disk(image=image, kernel=next(boot.glob("vmlinuz-*")), initrd=next(boot.glob("initrd.img-*")))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_S)
