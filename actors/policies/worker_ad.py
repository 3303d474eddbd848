"""What our own user-data makes a worker say of itself: the one list from which both the user-data and the prototype
slot are made.

What comes from the configuration is written into the user-data; what only the machine knows it asks its cloud's
metadata service for. The prototype says the same as far as it is known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping

OF_WORKER = ("APFFactory", "APFCloud", "APFQueue")
ID, INTERRUPTIBLE = "CloudInstanceID", "CloudInterruptible"
METADATA = {  # of the instance: where its metadata service has it
    "CloudVMType": "instance-type",
    "CloudZone": "placement/availability-zone",
    "CloudRegion": "placement/region",
}
CVMFS = "APFCvmfs"  # whether all repositories of CVMFS that its cloud says answer, as the worker last saw
OF_INSTANCE = (ID, *METADATA, INTERRUPTIBLE)


def of_repository(name: str) -> str:
    """The attribute by which a worker says that a repository answers, as sites spell it."""
    return "HAS_CVMFS_" + name.replace(".", "_").replace("-", "_")


def said(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """These of its attributes, with their text: all of OF_WORKER and METADATA, "" where it is not known.

    Raises KeyError for one that is missing: who adds to the list above says what it is in the prototype.
    """
    return [(name, texts[name]) for name in (*OF_WORKER, *METADATA)]
