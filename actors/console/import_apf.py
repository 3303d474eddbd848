"""AutoPyFactory's `queues.conf` as this project's configuration, with a note for each key that has no counterpart.

There, a section is a queue with one cloud, and a cascade was several sections on one `wmsqueue`, each reacting to the
whole demand, held apart by offsets. Here they become one queue with a cascade: the sections with the smallest offset
are the first tier. What a worker is (`shape`) was never said there, so it is filled in from the instance type where
that is well known.

What cannot be carried over and decides what is bought is not made up: it is left out, or written so that `apf check`
refuses it, until a person says it. Nothing of the file gets out of a comment or a text of the result.
"""

from __future__ import annotations

import configparser
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.console.apf_machines import machine

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
NAMED = re.compile(r"%\((.+?)\)s")
SLEEP, SLEEP_S = "apfqueue.sleep", 60.0
REFERENCE = "file:"  # of a secret that a person has to write there: refused as it is
SECRET = re.compile(r"secret|password|token|access_key", re.IGNORECASE)


class BadQueuesConf(Exception):
    """The file is no queues.conf: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The TOML text, with the notes as comments in it, and the notes by themselves."""

    toml: str
    notes: tuple[str, ...]


@dataclass(slots=True)
class ApfSection:
    """One section; `take` reads a key and remembers it, so that what is left over can be noted."""

    name: str
    keys: Mapping[str, str]
    taken: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def take(self, key: str) -> str:
        """The value, "" when it is not there or "None"."""
        self.taken.add(key)
        value = self.keys.get(key, "").strip()
        if missing := NAMED.search(value):
            self.notes.append(f"{key} = {value!r} names {missing[1]!r}, which is not said anywhere: taken as not said")
            return ""
        return "" if value.lower() == "none" else value

    def of_ec2(self, key: str) -> str:
        """Of a key of the plugin CondorEC2, which is also written as the submit file has it."""
        named = (f"batchsubmit.condorec2.{key}", f"batchsubmit.condorec2.ec2_{key}", f"ec2_{key}")
        return next(filter(None, [self.take(one) for one in named]), "")

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
    queues: dict[str, list[ApfSection]] = {}
    for section in sections:
        queues.setdefault(section.take("wmsqueue") or section.name, []).append(section)
    if not queues:
        raise BadQueuesConf("no section is enabled")
    names = _Names()
    interval_s = min(section.number(SLEEP, SLEEP_S) for section in sections)
    body = [_head(factory, collector, interval_s)]
    for wmsqueue, members in queues.items():
        body += _queue(wmsqueue, members, names)
    notes = _to_correct("\n".join(body)) + notes
    notes += _once([(section.name, note) for section in sections for note in section.notes])
    notes += _once([(section.name, note) for section in sections for note in section.leftovers()])
    notes = [_one_line(note) for note in notes]
    top = "".join(f"# note: {note}\n" for note in notes)
    return Imported(toml=f"# Made from an AutoPyFactory queues.conf.\n{top}\n" + "\n".join(body), notes=tuple(notes))


def _once(notes: Iterable[tuple[str, str]]) -> list[str]:
    """What is said of several sections alike, once."""
    sections: dict[str, list[str]] = {}
    for section, note in notes:
        sections.setdefault(note, []).append(section)
    return [f"[{', '.join(dict.fromkeys(names))}] {note}" for note, names in sections.items()]


def _one_line(note: str) -> str:
    """A note is a comment too: nothing in it may end the line."""
    return "".join(c if c.isprintable() else " " for c in " ".join(note.split()))


def _to_correct(toml: str) -> list[str]:
    """What `apf check` refuses of the result until a person has said it."""
    try:
        parse(toml)
    except BadConfig as wrong:
        return [f"to be corrected: {one.place}: {one.said}" for one in wrong.mistakes]
    return []


def _sections(text: str) -> tuple[list[ApfSection], list[str]]:
    parser = configparser.ConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error as wrong:
        raise BadQueuesConf(f"not a queues.conf: {wrong}") from wrong
    used = set(re.findall(r"%\((.+?)\)s", text))  # what only serves to write other values
    sections = [ApfSection(name, _values(parser, name), set(used)) for name in parser.sections()]
    enabled = [one for one in sections if one.take("enabled").lower() not in ("false", "0", "no")]
    off = [one.name for one in sections if one not in enabled]
    return enabled, [f"not enabled, left out: {', '.join(off)}"] if off else []


def _values(parser: configparser.ConfigParser, section: str) -> dict[str, str]:
    """One that names what there is not stays as it is written; whether that matters, its use shows."""
    found = {}
    for key, written in parser.items(section, raw=True):
        try:
            found[key] = parser.get(section, key)
        except configparser.InterpolationError:
            found[key] = written
    return found


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


def _queue(wmsqueue: str, members: list[ApfSection], names: _Names) -> Iterator[str]:
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
    cycles_s = [section.number(SLEEP, SLEEP_S) for section in members]
    lines.append(f"cycle_s = {_number(cycles_s[0])}")
    if len(set(cycles_s)) > 1:
        said = ", ".join(f"{one:g}" for one in cycles_s)
        members[0].notes.append(
            f"{SLEEP} of its sections: {said}; the queue's cycle_s, by which steps count, is the first"
        )
    for section, own in zip(members[1:], steps[1:], strict=True):
        if own != steps[0]:
            section.notes.append(f"its steps are left out, those of [{members[0].name}] hold for the whole queue")
    yield "\n".join(lines) + "\n"


def _sources(section: ApfSection) -> None:
    status = section.take("wmsstatusplugin")
    if status and status.lower() not in ("condor", "condorlocal", "condorremote"):
        section.notes.append(f"wmsstatusplugin = {status}: jobs are read from the HTCondor pool instead")
    for key in ("batchstatusplugin", "batchqueue", "batchsubmit.condorec2.peaceful", "batchsubmit.condorec2.usessh"):
        section.take(key)


def _cloud(section: ApfSection, name: str) -> Iterator[str]:
    plugin = section.take("batchsubmitplugin")
    if plugin and plugin.lower() != "condorec2":
        yield f'[clouds.{name}]\nkind = "ec2"\n'
        section.notes.append(
            f"batchsubmitplugin = {plugin}: it bought no VMs, so no cloud is made of it: say [clouds.{name}], or"
            " take it out of the cascade"
        )
        return
    yield from _account(section, name)
    lines = [f"[clouds.{name}]", 'kind = "ec2"', f"account = {_text(name)}", *_place(section.of_ec2("gridresource"))]
    if image := section.of_ec2("ami_id"):
        lines.append(f"image = {_text(image)}")
    lines += _shape(section, section.of_ec2("instance_type"))
    if section.take("sched.maxtorun.maximum"):
        most = section.number("sched.maxtorun.maximum", 0)
        lines.append(f"max_vms = {max(0, int(most))}")
    lines += _market(section)
    groups = [group.strip() for group in section.of_ec2("security_groups").split(",") if group.strip()]
    lines += [f"security_groups = [{', '.join(map(_text, groups))}]"] if groups else []
    for data in ("user_data", "user_data_file"):
        if section.of_ec2(data):
            section.notes.append(f"{data} is left out: workers get this project's user-data; a template can be named")
    yield "\n".join(lines) + "\n"


def _market(section: ApfSection) -> list[str]:
    price = section.of_ec2("spot_price")
    if not price:
        return []
    try:
        usd = float(price)
    except ValueError:
        usd = math.nan
    if not (math.isfinite(usd) and usd > 0):  # refused as it is: on-demand instances would cost more than was meant
        return ['market = "spot"', f"max_usd_per_hour = {_text(price)}"]
    return ['market = "spot"', f"max_usd_per_hour = {_number(usd)}", f"usd_per_hour = {_number(usd)}"]


def _place(resource: str) -> list[str]:
    """Region and endpoint of "ec2 https://ec2.us-east-1.amazonaws.com/"; Amazon's own need no endpoint."""
    url = resource.removeprefix("ec2").strip()
    if not url:
        return []
    if amazon := re.match(r"https?://ec2\.(?:([a-z0-9-]+)\.)?amazonaws\.com(?:[:/]|$)", url):
        return [f"region = {_text(amazon[1] or 'us-east-1')}"]
    return ['region = "RegionOne"', f"endpoint = {_text(url)}"]


def _account(section: ApfSection, name: str) -> Iterator[str]:
    lines = [f"[accounts.{name}]", 'kind = "ec2"']
    for secret in ("access_key_id", "secret_access_key"):
        path = section.of_ec2(secret)
        if path.startswith(("/", "~")):
            lines.append(f"{secret} = {_text(f'{REFERENCE}{path}')}")
        elif path:
            lines.append(f"{secret} = {_text(REFERENCE)}")
            section.notes.append(f"{secret} is no path: write it to a file and set {secret} to file:PATH")
    yield "\n".join(lines) + "\n"


def _shape(section: ApfSection, kind: str) -> list[str]:
    lines = [f"instance_type = {_text(kind)}"] if kind else []
    known = machine(kind)
    if known is None:
        section.notes.append(f"what an instance of type {kind or '(not said)'} has is not known here: say its shape")
        return lines
    cpus, memory_mib = known
    return [*lines, f"shape = {{ cpus = {cpus}, memory_mib = {memory_mib} }}"]


def _steps(section: ApfSection) -> list[str]:
    steps = []
    for plugin in (name.strip() for name in section.take("schedplugin").split(",") if name.strip()):
        short = plugin.lower().removesuffix("schedplugin")
        if short in ("ready", "maxtorun"):
            continue  # the need itself, with the offset as the tier; and the cloud's max_vms
        if short in NEED_STATUS:
            section.notes.append(f"schedplugin {plugin}: no kind of pool tells a site's status here; take it out")
        if short not in STEPS:
            if short not in NEED_STATUS:
                section.notes.append(f"schedplugin {plugin} has no counterpart: write the steps that do the same")
            steps.append(f"{{ step = {_text(short)} }}")
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
    """A TOML basic string: JSON's, but for what JSON lets stand as it is, or writes in two halves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _literal(value: str) -> str:
    return f"'{value}'" if "'" not in value and value.isprintable() else _text(value)
