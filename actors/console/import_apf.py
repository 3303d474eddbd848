"""AutoPyFactory's `queues.conf` as this project's configuration, with a note for each key that has no counterpart.

There, a section is a queue with one cloud, and a cascade was several sections on one `wmsqueue`, each reacting to the
whole demand, held apart by offsets. Here they become one queue with a cascade: the sections with the smallest offset
are the first tier. What a worker is (`shape`) was never said there, so it is filled in from the instance type where
that is well known.

Sections that watched PanDA and sent pilots become queues of a PanDA pool whose clouds are pilots in a schedd (see
`apf_pilots`); a section that watched these pilots' `MATCH_APF_QUEUE` is the queue that they feed.

What cannot be carried over and decides what is bought is not made up: it is left out, or written so that `apf check`
refuses it, until a person says it. Nothing of the file gets out of a comment or a text of the result.
"""

from __future__ import annotations

import configparser
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.console.apf_machines import machine
from actors.console.apf_pilots import is_pilots, pilots
from actors.console.apf_section import ApfSection, as_literal, as_number, as_text

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
    "statustest": ("status-test", {"pilots": "pilots"}),
    "statusoffline": ("status-offline", {"pilots": "pilots"}),
    "throttle": (
        "throttle",
        {"interval": "interval_s", "maxtime": "maxtime_s", "ratio": "ratio", "submit": "submit"},
    ),
}
NEED_STATUS = {"statustest", "statusoffline"}  # the workload system says how a site is
SLEEP, SLEEP_S = "apfqueue.sleep", 60.0
REFERENCE = "file:"  # of a secret that a person has to write there: refused as it is


class BadQueuesConf(Exception):
    """The file is no queues.conf: the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The TOML text, with the notes as comments in it, and the notes by themselves."""

    toml: str
    notes: tuple[str, ...]


def convert(text: str, factory: str = "apf", collector: str = "localhost") -> Imported:
    """The configuration for the enabled sections of `text`. Raises BadQueuesConf."""
    sections, notes = _sections(text)
    if not sections:
        raise BadQueuesConf("no section is enabled")
    queues: dict[tuple[bool, str], list[ApfSection]] = {}  # of those that send pilots apart
    for section in sections:
        key = (is_pilots(section), section.take("wmsqueue") or section.name)
        queues.setdefault(key, []).append(section)
    names = _Names()
    interval_s = min(section.number(SLEEP, SLEEP_S) for section in sections)
    body = [_head(factory, collector, interval_s, panda=any(of_panda for of_panda, _ in queues))]
    named: dict[str, str] = {}  # what a pilot's MATCH_APF_QUEUE says: the queue whose jobs these pilots are
    for (of_panda, wmsqueue), members in sorted(queues.items(), key=lambda one: one[0][0]):
        body += _queue(wmsqueue, members, names, named, of_panda)
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


class _NamesOf:
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


class _Names:
    """A cloud and a queue may have the same one."""

    def __init__(self) -> None:
        self.clouds, self.queues = _NamesOf(), _NamesOf()


def _head(factory: str, collector: str, interval_s: float, panda: bool) -> str:
    """PanDA's address was never said there: the file is refused until a person says it."""
    source = '\n[pools.panda]\nkind = "panda"\n' if panda else ""
    return (
        f"[factory]\nname = {as_text(factory)}\n\n"
        f'[pools.local]\nkind = "htcondor"\ncollector = {as_text(collector)}\ninterval_s = {max(1.0, interval_s):g}\n'
        f"{source}"
    )


def _queue(
    wmsqueue: str, members: list[ApfSection], names: _Names, named: dict[str, str], of_panda: bool
) -> Iterator[str]:
    tiers: dict[float, list[str]] = {}
    for section in members:
        _sources(section, of_panda)
        cloud = names.clouds.fit(section.name)
        tiers.setdefault(section.number("sched.ready.offset", 0.0), []).append(cloud)
        yield from pilots(section, cloud, named.get(section.name, "")) if of_panda else _cloud(section, cloud)
    cascade = ", ".join("[" + ", ".join(map(as_text, tiers[offset])) + "]" for offset in sorted(tiers))
    queue = names.queues.fit(wmsqueue)
    if not of_panda:
        named[wmsqueue] = queue
    lines = [f"[queues.{queue}]", f'pool = "{"panda" if of_panda else "local"}"']
    asked = "ComputingSite" if of_panda else "MATCH_APF_QUEUE"
    lines += [f"jobs = {as_literal(f'{asked} == {json.dumps(wmsqueue)}')}", f"cascade = [{cascade}]"]
    steps = [_steps(section, of_panda) for section in members]
    if steps[0]:
        lines.append(f"steps = [{', '.join(steps[0])}]")
    cycles_s = [section.number(SLEEP, SLEEP_S) for section in members]
    lines.append(f"cycle_s = {as_number(cycles_s[0])}")
    if len(set(cycles_s)) > 1:
        said = ", ".join(f"{one:g}" for one in cycles_s)
        members[0].notes.append(
            f"{SLEEP} of its sections: {said}; the queue's cycle_s, by which steps count, is the first"
        )
    for section, own in zip(members[1:], steps[1:], strict=True):
        if own != steps[0]:
            section.notes.append(f"its steps are left out, those of [{members[0].name}] hold for the whole queue")
    yield "\n".join(lines) + "\n"


def _sources(section: ApfSection, of_panda: bool) -> None:
    status = section.take("wmsstatusplugin")
    if status and not of_panda and status.lower() not in ("condor", "condorlocal", "condorremote"):
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
    lines = [f"[clouds.{name}]", 'kind = "ec2"', f"account = {as_text(name)}", *_place(section.of_ec2("gridresource"))]
    if image := section.of_ec2("ami_id"):
        lines.append(f"image = {as_text(image)}")
    lines += _shape(section, section.of_ec2("instance_type"))
    if section.take("sched.maxtorun.maximum"):
        most = section.number("sched.maxtorun.maximum", 0)
        lines.append(f"max_vms = {max(0, int(most))}")
    lines += _market(section)
    groups = [group.strip() for group in section.of_ec2("security_groups").split(",") if group.strip()]
    lines += [f"security_groups = [{', '.join(map(as_text, groups))}]"] if groups else []
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
        return ['market = "spot"', f"max_usd_per_hour = {as_text(price)}"]
    return ['market = "spot"', f"max_usd_per_hour = {as_number(usd)}", f"usd_per_hour = {as_number(usd)}"]


def _place(resource: str) -> list[str]:
    """Region and endpoint of "ec2 https://ec2.us-east-1.amazonaws.com/"; Amazon's own need no endpoint."""
    url = resource.removeprefix("ec2").strip()
    if not url:
        return []
    if amazon := re.match(r"https?://ec2\.(?:([a-z0-9-]+)\.)?amazonaws\.com(?:[:/]|$)", url):
        return [f"region = {as_text(amazon[1] or 'us-east-1')}"]
    return ['region = "RegionOne"', f"endpoint = {as_text(url)}"]


def _account(section: ApfSection, name: str) -> Iterator[str]:
    lines = [f"[accounts.{name}]", 'kind = "ec2"']
    for secret in ("access_key_id", "secret_access_key"):
        path = section.of_ec2(secret)
        if path.startswith(("/", "~")):
            lines.append(f"{secret} = {as_text(f'{REFERENCE}{path}')}")
        elif path:
            lines.append(f"{secret} = {as_text(REFERENCE)}")
            section.notes.append(f"{secret} is no path: write it to a file and set {secret} to file:PATH")
    yield "\n".join(lines) + "\n"


def _shape(section: ApfSection, kind: str) -> list[str]:
    lines = [f"instance_type = {as_text(kind)}"] if kind else []
    known = machine(kind)
    if known is None:
        section.notes.append(f"what an instance of type {kind or '(not said)'} has is not known here: say its shape")
        return lines
    cpus, memory_mib = known
    return [*lines, f"shape = {{ cpus = {cpus}, memory_mib = {memory_mib} }}"]


def _steps(section: ApfSection, of_panda: bool) -> list[str]:
    steps = []
    for plugin in (name.strip() for name in section.take("schedplugin").split(",") if name.strip()):
        short = plugin.lower().removesuffix("schedplugin")
        if short in ("ready", "activated", "maxtorun"):
            continue  # the need itself, with the offset as the tier; and the cloud's max_vms
        if short in NEED_STATUS and not of_panda:
            section.notes.append(f"schedplugin {plugin}: an HTCondor pool does not tell a site's status; take it out")
        if short not in STEPS:
            section.notes.append(f"schedplugin {plugin} has no counterpart: write the steps that do the same")
            steps.append(f"{{ step = {as_text(short)} }}")
            continue
        step, keys = STEPS[short]
        said = [f"step = {as_text(step)}"]
        for theirs, ours in keys.items():
            if section.take(f"sched.{short}.{theirs}"):
                said.append(f"{ours} = {as_number(section.number(f'sched.{short}.{theirs}', 0.0))}")
        if short == "scale":
            section.notes.append("scale: jobs are packed onto VMs here; leave it out if it stood for the slots of a VM")
        steps.append("{ " + ", ".join(said) + " }")
    return steps
