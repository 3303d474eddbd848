"""User-data: what makes a stock image a worker of one queue on one cloud. Pure: a template and facts in, text out.

The template that comes along (`cloud-config.yaml`, beside this file) holds its own reasons. An operator may have one of
his own; in it `${apf.NAME}` stands for a fact, and everything else is left alone ($(MACRO), $shell, {{ jinja }}).

The rule it keeps: in a `#cloud-config` the facts are put into the parsed document, which is then written out again, so
that no token and no line of configuration can break the YAML. Any other text (a shell script) is filled in as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from actors.clouds.worker.start_expression import start
from actors.config.schema import Config, HtcondorPool
from actors.fleet.nearest import nearest
from actors.policies import worker_ad
from actors.policies.rules import RETIREMENT_S

try:  # libyaml comes with PyYAML's wheels: one recipe takes 3 ms with it and 40 ms without
    from yaml import CSafeDumper as Dumper
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeDumper as Dumper  # type: ignore[assignment]
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

_PLACE = re.compile(r"\$\{apf\.([^}]*)\}")
_SLOTS = {
    "partitionable": "NUM_SLOTS_TYPE_1 = 1\nSLOT_TYPE_1 = 100%\nSLOT_TYPE_1_PARTITIONABLE = true",
    "static": "NUM_SLOTS_TYPE_1 = $(NUM_CPUS)\nSLOT_TYPE_1 = cpus=1\nSLOT_TYPE_1_PARTITIONABLE = false",
}


class TemplateMistake(Exception):
    """The user-data template cannot be used; the text says what was found and what is known."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """The facts of a worker. `start` is its START, `collector` HOST or HOST:PORT as workers reach it."""

    factory: str
    cloud: str
    queue: str
    collector: str
    token: str
    start: str
    slots: Literal["partitionable", "static"] = "partitionable"
    unclaimed_poweroff_s: int = 1800
    trust_domain: str = ""
    worker_config: str = ""
    metadata: Literal["ec2", "openstack"] = "ec2"  # whose service tells it its instance id
    cvmfs: tuple[str, ...] = ()  # repositories that have to answer before a job starts
    cvmfs_proxy: str = ""
    cvmfs_period_s: int = 60  # between looks at them

    def __repr__(self) -> str:
        """Without the token, which must not show in a log or a traceback."""
        return f"Worker(factory={self.factory!r}, cloud={self.cloud!r}, queue={self.queue!r})"


def worker(config: Config, cloud: str, queue: str, token: str) -> Worker:
    """A worker of a queue of an HTCondor pool on a cloud, as the configuration has it."""
    place, work = config.clouds[cloud], config.queues[queue]
    pool = config.pools[work.pool]
    if not isinstance(pool, HtcondorPool):
        raise TypeError(f"queue {queue} is of a pool of kind {pool.kind}, which has no workers with user-data")
    return Worker(
        factory=config.factory.name,
        cloud=cloud,
        queue=queue,
        collector=pool.worker_collector or pool.collector,
        token=token,
        start=start(work.jobs, work.start, cvmfs=bool(place.cvmfs)),
        slots=work.slots,
        unclaimed_poweroff_s=int(place.unclaimed_poweroff_s),
        trust_domain=pool.trust_domain or "",
        worker_config=place.worker_config,
        metadata=place.metadata,
        cvmfs=place.cvmfs,
        cvmfs_proxy=place.cvmfs_proxy,
    )


def template() -> str:
    """The template that comes along."""
    return (files("actors.clouds.worker") / "cloud-config.yaml").read_text()


def render(text: str, facts: Worker) -> str:
    """The user-data. TemplateMistake: it is no YAML, or it asks for a fact that there is not."""
    known = values(facts)
    if facts.cvmfs and "${apf.cvmfs}" not in text:
        raise TemplateMistake(
            "the cloud has cvmfs, and its user-data template mounts none: it does not ask for ${apf.cvmfs}; no job"
            " would start there"
        )
    if not text.startswith("#cloud-config"):
        return _fill(text, known)
    try:
        document = _parsed(text)
    except yaml.YAMLError as error:
        raise TemplateMistake(f"the user-data template is no YAML: {error}") from error
    filled = _fill_all(document, known)
    return "#cloud-config\n" + yaml.dump(filled, Dumper=_Readable, sort_keys=False, width=4096)


@lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    """Whoever gets it must not change it."""
    return yaml.load(text, Loader)


def values(facts: Worker) -> dict[str, str]:
    """What a template may ask for, by name. TemplateMistake: a fact that has to be one line is not."""
    lines = {
        "factory": facts.factory,
        "cloud": facts.cloud,
        "metadata": facts.metadata,
        "queue": facts.queue,
        "collector": facts.collector,
        "token": facts.token.strip(),
        "start": facts.start,
        "unclaimed_poweroff_s": str(facts.unclaimed_poweroff_s),
        "retirement_s": str(RETIREMENT_S),
        "trust_domain": f"TRUST_DOMAIN = {facts.trust_domain}" if facts.trust_domain else "",
        "attribute_names": " ".join(worker_ad.OF_WORKER),
        "instance_attribute_names": " ".join(worker_ad.OF_INSTANCE),
        "cvmfs": " ".join(facts.cvmfs),
        "cvmfs_list": ",".join(facts.cvmfs),
        "cvmfs_period_s": str(facts.cvmfs_period_s),
        "cvmfs_proxy": facts.cvmfs_proxy,
        "cvmfs_attribute": worker_ad.CVMFS,
        "instance_metadata": " ".join(f"{name}={path}" for name, path in worker_ad.METADATA.items()),
    }
    if broken := [name for name, value in lines.items() if len(value.splitlines()) > 1]:
        raise TemplateMistake(f"{', '.join(broken)} of a worker has to be one line, and has several")
    told = (facts.factory, facts.cloud, facts.queue)
    attributes = [f'{name} = "{text}"' for name, text in zip(worker_ad.OF_WORKER, told, strict=True)]
    return lines | {
        "slots": _SLOTS[facts.slots],
        "worker_config": facts.worker_config,
        "attributes": "\n".join(attributes),
    }


def _fill(text: str, known: Mapping[str, str]) -> str:
    def value(place: re.Match[str]) -> str:
        name = place[1]
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(sorted(known))}"
            raise TemplateMistake(f"the user-data template asks for ${{apf.{name}}}, which there is not; {hint}")
        return known[name]

    return _PLACE.sub(value, text)


def _fill_all(node: Any, known: Mapping[str, str]) -> Any:
    """The document with its texts filled in; numbers, booleans and dates stay what they are."""
    match node:
        case str():
            return _fill(node, known)
        case list():
            return [_fill_all(one, known) for one in node]
        case dict():
            return {_fill_all(key, known): _fill_all(one, known) for key, one in node.items()}
        case _:
            return node


class _Readable(Dumper):
    """Writes a text of several lines as a block, for people who look at user-data."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)
