"""`apf init`: a first factory.toml, with each key explained, from a few answers. What it writes `apf check` takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from actors.config.explain import NAME
from actors.config.load import parse


class BadAnswer(ValueError):
    """An answer that cannot be: what was asked, what was said, what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: `key` is the flag's name too. `default`: none ("") where it must be said."""

    key: str
    asks: str
    default: str = ""
    kinds: tuple[str, ...] = ()  # of clouds for which it is asked; empty: all


QUESTIONS = (
    Question(key="factory", asks="The factory's name: it marks all VMs, keys and mailboxes", default="apf"),
    Question(key="collector", asks="The pool's collector, HOST or HOST:PORT"),
    Question(key="queue", asks="A name for the jobs that get VMs", default="main"),
    Question(key="kind", asks="The cloud: ec2 or openstack", default="ec2"),
    Question(key="region", asks="Its region, e.g. eu-west-1", kinds=("ec2",)),
    Question(key="account", asks="Its name in clouds.yaml", kinds=("openstack",)),
    Question(key="image", asks="The image of the workers, with cloud-init: its id (OpenStack: or name)"),
    Question(key="type", asks="The instance type (OpenStack: flavour)"),
    Question(key="cpus", asks="How many cpus that has", default="4"),
    Question(key="memory_mib", asks="How much memory jobs find there, in MiB", default="7500"),
    Question(key="max_vms", asks="The most VMs at a time", default="10"),
)
KINDS = ("ec2", "openstack")
EC2 = """\
[clouds.main]                           # where workers are started
kind = "ec2"                            # Amazon EC2, or what speaks its API
#endpoint = "https://cloud.example.org:8773/"  # not said: Amazon's own
region = {region}
image = {image}
instance_type = {type}
#market = "spot"                        # else on-demand
#usd_per_hour = 0.19                    # for status and the order of clouds of one tier
"""
OPENSTACK = """\
[accounts.main]                         # where to log in
kind = "openstack"
cloud = {account}

[clouds.main]                           # where workers are started
kind = "openstack"                      # pip install 'autopyfactory-cloud[openstack]'
account = "main"
image = {image}
flavor = {type}
#networks = ["workers"]                 # names or ids; not said: the project's only one
"""
TEXT = """\
# A factory: one pool, one cloud, one queue. Every other key has a default.
# Then: apf check FILE, apf check FILE --live, apf plan FILE, apf run FILE.

[factory]
name = {factory}
redis = "embedded"                      # several hosts: "rediss://HOST:6379/0"

[pools.local]                           # where the jobs wait, and where workers join
kind = "htcondor"
collector = {collector}
#token_directory = "/etc/apf/tokens.d"  # an IDTOKEN that may READ and ADMINISTRATE
# prints an IDTOKEN for workers that may ADVERTISE_STARTD and ADVERTISE_MASTER, nothing else
worker_token_command = ["/usr/local/bin/mint-worker-token"]

{cloud}shape = {{ cpus = {cpus}, memory_mib = {memory_mib} }}  # what jobs find on one such VM
max_vms = {max_vms}

[queues.{queue}]                        # which jobs get VMs, and of which clouds
pool = "local"
jobs = {jobs}                           # a ClassAd expression over job ads
cascade = [["main"]]                    # tiers of clouds, the cheapest first
"""
NUMBERS = ("cpus", "memory_mib", "max_vms")
NUMBER = ("[1-9][0-9]{0,8}", "a whole number")
ALLOWED = {
    "kind": ("|".join(KINDS), " or ".join(KINDS)),
    "queue": (NAME, "1 to 40 lower-case letters, digits, - and _"),
    **dict.fromkeys(NUMBERS, NUMBER),
}


def questions(kind: str) -> tuple[Question, ...]:
    """Those that this kind of cloud needs."""
    return tuple(one for one in QUESTIONS if not one.kinds or kind in one.kinds)


def first_config(answers: Mapping[str, str]) -> str:
    """The file's text. Raises BadAnswer, or BadConfig with all mistakes, as `apf check` says them."""
    for key, (pattern, allowed) in ALLOWED.items():
        if not re.fullmatch(pattern, answers[key]):
            raise BadAnswer(f"--{key.replace('_', '-')} {answers[key]!r} cannot be: allowed: {allowed}")
    as_is = (*NUMBERS, "queue")
    plain = {key: said if key in as_is else json.dumps(said, ensure_ascii=False) for key, said in answers.items()}
    cloud = (EC2 if answers["kind"] == "ec2" else OPENSTACK).format(**plain)
    jobs = f"'MATCH_APF_QUEUE == \"{answers['queue']}\"'"
    text = TEXT.format(**plain, cloud=cloud, jobs=jobs)
    parse(text, "the new configuration")
    return text
