"""What a booting instance does with its user-data, as far as the lab's nodes go.

Why: the workers of the lab are configured by the very text that a real image's cloud-init would get.

The rule it keeps: of a `#cloud-config` document, `write_files` is done as written, below the node's folder; then the
script `/usr/local/sbin/apf-worker` is run, as `runcmd` would after installing HTCondor. Whatever cannot be understood
is an error and the instance stays dark, as a real one would. Powering off is caught: it ends the node only.
"""

import base64
import gzip
import os
import subprocess
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.lab.pool.node import Node

WORKER_SCRIPT = "/usr/local/sbin/apf-worker"
_SCRIPT_LIMIT_S = 120.0
_PLAIN = ("", "text/plain")
_BASE64 = ("b64", "base64")
_GZIP_BASE64 = ("gz+b64", "gzip+b64", "gz+base64", "gzip+base64")


class BadUserData(Exception):
    """The instance cannot be configured from its user-data; the text says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class GuestFile:
    """A file that the user-data asks for; `path` is the guest's."""

    path: str
    text: str
    mode: int


def decode(user_data: str) -> str:
    """User-data as the API holds it (base64, maybe gzip) to text. Raises BadUserData."""
    try:
        raw = base64.b64decode(user_data)
        return (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode()
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise BadUserData(f"neither text nor gzip in base64: {error}") from error


def read_user_data(user_data: str) -> list[GuestFile]:
    """The files of a cloud-config document. Raises BadUserData."""
    if user_data.partition("\n")[0].strip() != "#cloud-config":
        raise BadUserData("the first line is not #cloud-config")
    try:
        document = yaml.safe_load(user_data)
    except yaml.YAMLError as error:
        raise BadUserData(f"not YAML: {error}") from error
    entries = document.get("write_files") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise BadUserData("there is no write_files")
    return [_file(entry) for entry in entries]


def _file(entry: Mapping[str, Any]) -> GuestFile:
    try:
        mode = int(str(entry.get("permissions", "0644")), 8)
        return GuestFile(path=entry["path"], text=_text(entry), mode=mode)
    except (KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        raise BadUserData(f"write_files: {entry.get('path', 'an entry without a path')}: {error!r}") from error


def _text(entry: Mapping[str, Any]) -> str:
    content, encoding = str(entry.get("content", "")), str(entry.get("encoding", "")).lower()
    if encoding in _PLAIN:
        return content
    if encoding in _BASE64:
        return _unbase64(content).decode()
    if encoding in _GZIP_BASE64:
        return gzip.decompress(_unbase64(content)).decode()
    raise ValueError(f"unknown encoding {encoding}")


def _unbase64(content: str) -> bytes:
    """Strictly, but line breaks are allowed: YAML folds long lines."""
    return base64.b64decode("".join(content.split()), validate=True)


def configure(node: Node, files: Iterable[GuestFile], metadata: str) -> None:
    """Write the files and run the worker's script; `metadata` is the address of the metadata service."""
    for file in files:
        node.write(file.path, file.text, file.mode)
    script = node.directory / WORKER_SCRIPT.lstrip("/")
    if script.exists():
        _run(node, script, metadata)


def _run(node: Node, script: Path, metadata: str) -> None:
    environment = {**node.environment(), "APF_ROOT": str(node.directory), "APF_METADATA": metadata}
    try:
        done = subprocess.run(
            [os.fspath(script)],
            env=environment,
            cwd=node.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SCRIPT_LIMIT_S,
            **node.user.popen(),
        )
    except subprocess.TimeoutExpired as error:
        raise BadUserData(f"{WORKER_SCRIPT} ran for more than {_SCRIPT_LIMIT_S:g} s") from error
    if done.returncode != 0:
        raise BadUserData(f"{WORKER_SCRIPT} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
