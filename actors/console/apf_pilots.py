"""Sections of `queues.conf` that sent pilots for PanDA: what each becomes is a cloud of kind `condor-jobs`.

Each plugin of APF was a universe of HTCondor with some keys. Those that HTCondor has dropped since are not made up: the
section becomes a cloud that `apf check` refuses, and a note says so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from actors.console.apf_section import ApfSection, as_number, as_text

BATCH = {"condorlsf": "lsf", "condorsge": "sge", "condorpbs": "pbs", "condorslurm": "slurm"}
GONE = {  # their kind of grid_resource is no more
    "condorgt2": "GT2", "condorgt5": "GT5", "condorcream": "CREAM", "condornordugrid": "NorduGrid's GridFTP (use arc)",
    "condordeltacloud": "Deltacloud",
}  # fmt: skip
GRID = {"condorosgce", "condorce", "condorgrid", "condorbosco", "condorssh"}
PLUGINS = {"condorlocal", *BATCH, *GONE, *GRID}
PANDA = ("panda", "pandawmsstatus", "pandawmsstatusplugin")
OWN = {"universe", "executable", "arguments", "environment", "queue"}  # said elsewhere
PART = re.compile(r'((?:[^,"()]|"(?:\\.|[^"\\])*"|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))+)')
PORT = "9619"


def is_pilots(section: ApfSection) -> bool:
    """Whether it watched PanDA and sent pilots. Both plugins are noted by who makes something of the section."""
    wms, submit = (section.keys.get(key, "").strip().lower() for key in ("wmsstatusplugin", "batchsubmitplugin"))
    return wms in PANDA and submit.removesuffix("batchsubmitplugin") in PLUGINS


def pilots(section: ApfSection, name: str, feeds: str) -> Iterator[str]:
    """`feeds`: the queue that watched its pilots, if one did."""
    plugin = section.take("batchsubmitplugin").lower().removesuffix("batchsubmitplugin")
    prefix = f"batchsubmit.{plugin}"
    submit = {**_universe(section, plugin, prefix), **_attributes(section, prefix)}
    lines = [f"[clouds.{name}]", 'kind = "condor-jobs"', 'pool = "local"']
    lines += [f"feeds = {as_text(feeds)}"] if feeds else []
    for key, theirs in (("executable", "executable"), ("arguments", "executable.arguments")):
        if said := section.take(theirs):
            lines.append(f"{key} = {as_text(said)}")
    lines += _environment(section, prefix)
    if proxy := section.take(f"{prefix}.proxy"):
        section.notes.append(f"{prefix}.proxy = {proxy!r} is a section of proxy.conf: say its file, proxy = PATH")
    lines.append(f"match_apf_queue = {as_text(section.name)}")
    lines += _size(section, submit)
    if section.take("sched.maxtorun.maximum"):
        lines.append(f"max_vms = {max(0, int(section.number('sched.maxtorun.maximum', 0)))}")
    lines += (
        [f"submit = {{ {', '.join(f'{as_text(k)} = {as_text(v)}' for k, v in submit.items())} }}"] if submit else []
    )
    yield "\n".join(lines) + "\n"


def _universe(section: ApfSection, plugin: str, prefix: str) -> dict[str, str]:
    resource = section.take(f"{prefix}.gridresource")
    if plugin == "condorlocal":
        return {}
    if plugin in BATCH:
        return {"universe": "grid", "grid_resource": f"batch {BATCH[plugin]}"}
    if plugin in GONE:
        section.notes.append(
            f"batchsubmitplugin = {plugin}: HTCondor knows no {GONE[plugin]} any more; say submit.grid_resource"
        )
        section.take("executable")  # without one the file is refused, until a person has looked at it
        section.keys = {**section.keys, "executable": ""}
        return {"universe": "grid"}
    if plugin in ("condorosgce", "condorce") and resource:
        port = section.take(f"{prefix}.port") or PORT
        return {"universe": "grid", "grid_resource": f"condor {resource} {resource}:{port}"}
    host, user, batch = (section.take(f"{prefix}.{key}") for key in ("host", "user", "batch"))
    if host:
        return {"universe": "grid", "grid_resource": f"batch {batch or 'pbs'} {user}@{host}"}
    if not resource:
        section.notes.append(f"{prefix}.gridresource is not said: say submit.grid_resource")
    return {"universe": "grid", **({"grid_resource": resource} if resource else {})}


def _attributes(section: ApfSection, prefix: str) -> dict[str, str]:
    """Of "a = 1, +b = 2", and of keys `condor_attributes.+b`."""
    found: dict[str, str] = {}
    key = f"{prefix}.condor_attributes"
    for part in PART.findall(section.take(key)):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found[name.strip()] = value.strip()
        elif part.strip():
            section.notes.append(f"{key}: {part.strip()!r} is no KEY = VALUE, and is left out")
    for one in [known for known in section.keys if known.startswith(f"{key}.")]:
        found[one.removeprefix(f"{key}.")] = section.take(one)
    for name in [name for name in found if name.lower() in OWN]:
        section.notes.append(f"{key}: {name} is said by a key of its own here, and is left out")
        del found[name]
    for name in (name for name in found if name.lower() in ("periodic_remove", "periodic_hold")):
        section.notes.append(f"{name} is kept: it may take pilots that run, with their payloads")
    return {name: value for name, value in found.items() if value}


def _environment(section: ApfSection, prefix: str) -> list[str]:
    key = f"{prefix}.environ"
    try:
        parts = shlex.split(section.take(key).strip('"'))
    except ValueError:
        parts = ["?"]
    pairs = [part.partition("=") for part in parts]
    if any(not equals or not name for name, equals, _ in pairs):
        section.notes.append(f"{key} is no list of NAME=VALUE, and is left out: say environment")
        return []
    inner = ", ".join(f"{as_text(name)} = {as_text(value)}" for name, _, value in pairs)
    return [f"environment = {{ {inner} }}"] if pairs else []


def _size(section: ApfSection, submit: dict[str, str]) -> list[str]:
    """What a pilot asks for, as far as its attributes say it."""
    said = {name.lower(): value for name, value in submit.items()}
    cpus, memory_mib = (
        next((int(said[name]) for name in names if said.get(name, "").isascii() and said.get(name, "").isdigit()), 0)
        for names in (("request_cpus", "+xcount"), ("request_memory", "+maxmemory"))
    )
    if not cpus or not memory_mib:
        section.notes.append("what a pilot asks for was not said there: say its shape (cpus, memory_mib)")
        return []
    return [f"shape = {{ cpus = {as_number(cpus)}, memory_mib = {as_number(memory_mib)} }}"]
