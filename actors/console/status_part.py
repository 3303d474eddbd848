"""A part of a status: of one queue, or of one cloud. What is wrong stays whole: a filter must not hide it."""

from __future__ import annotations

from actors.config.mistakes import did_you_mean
from actors.console.status_model import Status


class NoSuchName(LookupError):
    """There is no queue, or no cloud, of this name. The text says which there are."""


def part(status: Status, queue: str = "", cloud: str = "") -> Status:
    """Its queues, clouds, sources and VMs, as far as they are of `queue` and `cloud`. Raises NoSuchName."""
    _known("queue", queue, [one.name for one in status.queues])
    _known("cloud", cloud, [one.name for one in status.clouds])
    queues = [one for one in status.queues if queue in ("", one.name)]
    if cloud:
        queues = [one for one in queues if queue or any(want.cloud == cloud for want in one.wants)]
    clouds = [one for one in status.clouds if cloud in ("", one.name)]
    if queue and not cloud:
        wanted = {want.cloud for one in queues for want in one.wants} | {
            vm.cloud for vm in status.vms if vm.queue == queue
        }
        clouds = [one for one in clouds if one.name in wanted]
    posts = {f"cloud/{one.name}" for one in clouds} | {f"pool/{one.pool}" for one in queues}
    vms = (vm for vm in status.vms if queue in ("", vm.queue) and cloud in ("", vm.cloud))
    return status.model_copy(
        update={
            "queues": tuple(queues),
            "clouds": tuple(clouds),
            "sources": tuple(one for one in status.sources if one.post in posts),
            "vms": tuple(vms),
        }
    )


def _known(what: str, name: str, names: list[str]) -> None:
    if name and name not in names:
        raise NoSuchName(f"there is no {what} {name!r}; {did_you_mean(name, names)}")
