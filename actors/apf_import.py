"""AutoPyFactory's `queues.conf` as this project's configuration, with a note for each key that has no counterpart.

There, a section is a queue with one cloud, and a cascade was several sections on one `wmsqueue`, each reacting to the
whole demand, held apart by offsets. Here they become one queue with a cascade: the sections with the smallest offset
are the first tier. What a worker is (`shape`) was never said there, so it is filled in from the instance type where
that is well known, and noted where it is not.
"""

from __future__ import annotations

import configparser
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from actors.config_file import parse
from actors.config_mistakes import BadConfig

SHAPES = {  # cpus, memory MiB
    "t2.micro": (1, 900), "t2.small": (1, 1_900), "t2.medium": (2, 3_800), "m1.small": (1, 1_600),
    "m1.medium": (1, 3_600), "m1.large": (2, 7_300), "m1.xlarge": (4, 14_800), "c1.medium": (2, 1_600),
    "c1.xlarge": (8, 6_900), "m3.medium": (1, 3_600), "m3.large": (2, 7_300), "m3.xlarge": (4, 14_800),
    "m3.2xlarge": (8, 29_800), "c3.large": (2, 3_600), "c3.xlarge": (4, 7_300), "c3.2xlarge": (8, 14_800),
    "m4.large": (2, 7_800), "m4.xlarge": (4, 15_800), "c4.large": (2, 3_600), "c4.xlarge": (4, 7_300),
}  # fmt: skip
STEPS: dict[str, tuple[str, dict[str, str]]] = {  # APF's plugin: our step, its keys as ours
    "scale": ("scale", {"factor": "factor"}),
    "weightedready": ("weighted-ready", {"ready": "ready", "pending": "pending"}),
    "fixed": ("fixed", {"pilotspercycle": "vms"}),
    "null": ("null", {}),
    "keepnrunning": ("keep-n-running", {"keep_running": "keep_running"}),
    "keepnqueuelife": ("keep-n-queue-life", {"njobs": "njobs"}),
    "minpending": ("min-pending", {"minimum": "minimum"}),
    "maxpending": ("max-pending", {"maximum": "maximum"}),
    "minpercycle": ("min-per-cycle", {"minimum": "minimum"}),
    "maxpercycle": ("max-per-cycle", {"maximum": "maximum"}),
    "maxperfactory": ("max-per-factory", {"maximum": "maximum"}),
    "throttle": (
        "throttle",
        {"interval": "interval_s", "maxtime": "maxtime_s", "ratio": "ratio", "submit": "submit"},
    ),
}
NEED_STATUS = {"statustest", "statusoffline"}  # there the workload system says how a site is
SILENT = {"enabled", "autofill", "cloud", "vo"}  # used, or of no weight
SECRET = re.compile(r"secret|password|token|access_key", re.IGNORECASE)


class BadQueuesConf(Exception):
    """The file is no queues.conf: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The TOML text, with the notes as comments in it, and the notes by themselves."""

    toml: str
    notes: tuple[str, ...]


@dataclass(slots=True)
class Section:
    """One section; `take` reads a key and remembers it, so that what is left over can be noted."""

    name: str
    keys: Mapping[str, str]
    taken: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def take(self, key: str) -> str:
        """The value, "" when it is not there or "None"."""
        self.taken.add(key)
        value = self.keys.get(key, "").strip()
        return "" if value.lower() == "none" else value

    def number(self, key: str, default: float) -> float:
        value = self.take(key)
        try:
            found = float(value) if value else default
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            self.notes.append(f"{key} = {value!r} is not a number: {default:g} is taken")
            return default
        return found

    def leftovers(self) -> Iterator[str]:
        for key, value in self.keys.items():
            if key not in self.taken | SILENT and value.strip().lower() != "none":
                shown = "(not shown)" if SECRET.search(key) else repr(value.strip())
                yield f"{key} = {shown} has no counterpart and is left out"


def convert(text: str, factory: str = "apf", collector: str = "localhost") -> Imported:
    """The configuration for the enabled sections of `text`. Raises BadQueuesConf."""
    sections, notes = _sections(text)
    queues: dict[str, list[Section]] = {}
    for section in sections:
        queues.setdefault(section.take("wmsqueue") or section.name, []).append(section)
    if not queues:
        raise BadQueuesConf("no section is enabled")
    interval_s = min(section.number("apfqueue.sleep", 60.0) for section in sections)
    names = _Names()
    body = [_head(factory, collector, interval_s)]
    for wmsqueue, members in queues.items():
        body += _queue(wmsqueue, members, names)
    for section in sections:
        notes += [f"[{section.name}] {note}" for note in (*section.notes, *section.leftovers())]
    notes += _to_correct("\n".join(body))
    top = "".join(f"# note: {note}\n" for note in notes)
    return Imported(toml=f"# Made from an AutoPyFactory queues.conf.\n{top}\n" + "\n".join(body), notes=tuple(notes))


def _to_correct(toml: str) -> list[str]:
    """What `apf check` would say of the result: values that were wrong, or right there only."""
    try:
        parse(toml)
    except BadConfig as wrong:
        return [f"to be corrected: {mistake.place}: {mistake.said}" for mistake in wrong.mistakes]
    return []


def _sections(text: str) -> tuple[list[Section], list[str]]:
    parser = configparser.ConfigParser(strict=False)
    try:
        parser.read_string(text)
        used = set(re.findall(r"%\((.+?)\)s", text))  # what only serves to write other values
        sections = [Section(name, dict(parser.items(name)), set(used)) for name in parser.sections()]
    except configparser.Error as wrong:
        raise BadQueuesConf(f"not a queues.conf: {wrong}") from wrong
    enabled = [one for one in sections if one.take("enabled").lower() not in ("false", "0", "no")]
    off = [one.name for one in sections if one not in enabled]
    return enabled, [f"not enabled, left out: {', '.join(off)}"] if off else []


class _Names:
    """Names as the configuration allows them, each once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def fit(self, name: str) -> str:
        plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:36] or "queue"
        number, fitted = 1, plain
        while fitted in self._given:
            number += 1
            fitted = f"{plain}-{number}"
        self._given.add(fitted)
        return fitted


def _head(factory: str, collector: str, interval_s: float) -> str:
    return (
        f"[factory]\nname = {_text(factory)}\n\n"
        f'[pools.local]\nkind = "htcondor"\ncollector = {_text(collector)}\ninterval_s = {max(1.0, interval_s):g}\n'
    )


def _queue(wmsqueue: str, members: list[Section], names: _Names) -> Iterator[str]:
    tiers: dict[float, list[str]] = {}
    for section in members:
        _sources(section)
        cloud = names.fit(section.name)
        tiers.setdefault(section.number("sched.ready.offset", 0.0), []).append(cloud)
        yield from _cloud(section, cloud)
    cascade = ", ".join("[" + ", ".join(map(_text, tiers[offset])) + "]" for offset in sorted(tiers))
    lines = [f"[queues.{names.fit(wmsqueue)}]", 'pool = "local"']
    lines += [f"jobs = {_literal(f'MATCH_APF_QUEUE == {json.dumps(wmsqueue)}')}", f"cascade = [{cascade}]"]
    steps = [_steps(section) for section in members]
    if steps[0]:
        lines.append(f"steps = [{', '.join(steps[0])}]")
    for section, own in zip(members[1:], steps[1:], strict=True):
        if own != steps[0]:
            section.notes.append(f"its steps are left out, those of [{members[0].name}] hold for the whole queue")
    yield "\n".join(lines) + "\n"


def _sources(section: Section) -> None:
    status = section.take("wmsstatusplugin")
    if status and status.lower() not in ("condor", "condorlocal", "condorremote"):
        section.notes.append(f"wmsstatusplugin = {status}: jobs are read from the HTCondor pool instead")
    for key in ("batchstatusplugin", "batchqueue", "batchsubmit.condorec2.peaceful", "batchsubmit.condorec2.usessh"):
        section.take(key)


def _cloud(section: Section, name: str) -> Iterator[str]:
    plugin = section.take("batchsubmitplugin")
    if plugin and plugin.lower() != "condorec2":
        section.notes.append(f"batchsubmitplugin = {plugin}: only EC2 clouds are made; fill in [clouds.{name}]")
    key = "batchsubmit.condorec2."
    endpoint, region = _place(section.take(f"{key}gridresource"))
    price = section.take(f"{key}spot_price")
    yield from _account(section, name, key)
    lines = [f"[clouds.{name}]", 'kind = "ec2"', f"account = {_text(name)}", f"region = {_text(region)}"]
    lines += [f"endpoint = {_text(endpoint)}"] if endpoint else []
    lines.append(f"image = {_text(section.take(f'{key}ami_id') or 'ami-to-be-said')}")
    lines += _shape(section, section.take(f"{key}instance_type"))
    lines.append(f"max_vms = {max(0, int(section.number('sched.maxtorun.maximum', 10)))}")
    if price and float(section.number(f"{key}spot_price", 0.0)) > 0:
        usd = _number(section.number(f"{key}spot_price", 0.0))
        lines += ['market = "spot"', f"max_usd_per_hour = {usd}", f"usd_per_hour = {usd}"]
    groups = [group.strip() for group in section.take(f"{key}security_groups").split(",") if group.strip()]
    lines += [f"security_groups = [{', '.join(map(_text, groups))}]"] if groups else []
    for data in (f"{key}user_data", f"{key}user_data_file"):
        if section.take(data):
            section.notes.append(f"{data} is left out: workers get this project's user-data; a template can be named")
    yield "\n".join(lines) + "\n"


def _place(resource: str) -> tuple[str, str]:
    """The endpoint and the region of "ec2 https://ec2.us-east-1.amazonaws.com/"; Amazon's own need no endpoint."""
    url = resource.removeprefix("ec2").strip()
    amazon = re.match(r"https?://ec2\.([a-z0-9-]+)\.amazonaws\.com", url)
    if amazon:
        return "", amazon[1]
    return url, "us-east-1" if re.match(r"https?://ec2\.amazonaws\.com", url) or not url else "RegionOne"


def _account(section: Section, name: str, key: str) -> Iterator[str]:
    lines = [f"[accounts.{name}]", 'kind = "ec2"']
    for secret in ("access_key_id", "secret_access_key"):
        path = section.take(key + secret)
        if path.startswith(("/", "~")):
            lines.append(f"{secret} = {_text(f'file:{path}')}")
        elif path:
            section.notes.append(f"{key}{secret} is no path: write it to a file and set {secret} to file:PATH")
    yield "\n".join(lines) + "\n"


def _shape(section: Section, kind: str) -> list[str]:
    cpus, memory_mib = SHAPES.get(kind, (1, 2_000))
    if kind not in SHAPES:
        section.notes.append(f"what an instance of type {kind or '(not said)'} has is a guess: correct its shape")
    return [
        f"instance_type = {_text(kind or 'to-be-said')}",
        f"shape = {{ cpus = {cpus}, memory_mib = {memory_mib} }}",
    ]


def _steps(section: Section) -> list[str]:
    steps = []
    for plugin in (name.strip() for name in section.take("schedplugin").split(",") if name.strip()):
        short = plugin.lower().removesuffix("schedplugin")
        if short in ("ready", "maxtorun"):
            continue  # the need itself, with the offset as the tier; and the cloud's max_vms
        if short in NEED_STATUS:
            section.notes.append(f"schedplugin {plugin} is left out: no kind of pool tells a site's status here")
            continue
        if short not in STEPS:
            section.notes.append(f"schedplugin {plugin} has no counterpart and is left out")
            continue
        step, keys = STEPS[short]
        said = [f"step = {_text(step)}"]
        for theirs, ours in keys.items():
            if section.take(f"sched.{short}.{theirs}"):
                said.append(f"{ours} = {_number(section.number(f'sched.{short}.{theirs}', 0.0))}")
        if short == "scale":
            section.notes.append("scale: jobs are packed onto VMs here; leave it out if it stood for the slots of a VM")
        steps.append("{ " + ", ".join(said) + " }")
    return steps


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _text(value: str) -> str:
    return json.dumps(value)


def _literal(value: str) -> str:
    return f"'{value}'" if "'" not in value and "\n" not in value else json.dumps(value)
