"""Who may advertise a worker: globs over the identity that its collector saw (`worker_identities` of a pool).

`{launch}` in a glob stands for the VM's launch: each launch then has a token and an identity of its own, and who takes
a token from one worker can speak in the place of no other launch's. Where a VM's launch is not known, any will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape

LAUNCH = "{launch}"


def one_a_launch(identities: Sequence[str]) -> bool:
    """Whether each launch has an identity of its own."""
    return any(LAUNCH in glob for glob in identities)


def may_advertise(identity: str, identities: Sequence[str], launch: str = "") -> bool:
    """Whether `identity` (empty: nobody known) may advertise a worker of `launch`. No globs: not checked."""
    whose = escape(launch) if launch else "*"
    return not identities or any(fnmatchcase(identity, glob.replace(LAUNCH, whose)) for glob in identities)
