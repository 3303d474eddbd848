"""The slot that a worker would have, before there is one: what jobs' Requirements, Requests and Rank are held against.

Its attributes come from three sources, each above the one before: what a startd on Linux advertises (PLAUSIBLE, with
values as a current distribution has them); what our own user-data makes a worker say, with what the configuration
tells of the cloud; and what the operator says of the workers in `attributes`.

Names and ids are plausible ones: no job can name the machine that comes, but many say which ones they do not want.
"""

from __future__ import annotations

from collections.abc import Mapping

Slot = tuple[str, int, str]  # cloud, the number of its tier, the ClassAd text of a free slot of its workers
Slots = Mapping[str, tuple[Slot, ...]]  # by queue
NO_SLOTS: Slots = {}
Size = tuple[int, int, int, int]  # cpus, memory MiB, disk MiB, gpus

CONDOR_VERSION = '"$CondorVersion: 25.14.1 2026-01-01 $"'  # HTCondor writes the version into jobs' Requirements
ABILITIES = (  # what every Linux startd advertises and jobs' Requirements may ask for
    "HasFileTransfer", "HasIOProxy", "HasJICLocalConfig", "HasJICLocalStdin", "HasJobDeferral", "HasJobNetworking",
    "HasJobTransferPlugins", "HasOsUser", "HasPerFileEncryption", "HasReconnect", "HasRemoteSyscalls",
    "HasSelfCheckpointTransfers", "HasStartDaemonAd", "HasTDP", "HasTransferInputRemaps", "HasUserNamespaces",
    "has_avx", "has_avx2", "has_sse4_1", "has_sse4_2", "has_ssse3",
)  # fmt: skip
PLAUSIBLE = {
    "MyType": '"Machine"',
    "Machine": '"apf-worker.to-come"',
    "Name": '"slot1@apf-worker.to-come"',
    "UidDomain": '"apf-worker.to-come"',
    "FileSystemDomain": '"apf-worker.to-come"',
    "CloudInstanceID": '"i-to-come"',
    "Arch": '"X86_64"',
    "OpSys": '"LINUX"',
    "OpSysLegacy": '"LINUX"',
    "OpSysName": '"AlmaLinux"',
    "OpSysShortName": '"AlmaLinux"',
    "OpSysAndVer": '"AlmaLinux9"',
    "OpSysMajorVer": "9",
    "OpSysVer": "906",
    "Microarch": '"x86_64-v3"',
    "UtsnameMachine": '"x86_64"',
    "UtsnameSysname": '"Linux"',
    "CondorVersion": CONDOR_VERSION,
    "CondorPlatform": '"$CondorPlatform: X86_64-AlmaLinux_9 $"',
    "HasCommonFilesTransfer": "2",
    "HasFileTransferPluginMethods": '"data,dav,davs,file,ftp,http,https,s3,gs"',
    "HasVM": "false",
    "IsLocalStartd": "false",
    "KeyboardIdle": "1000",
    "ConsoleIdle": "1000",
    "LoadAvg": "0.0",
    "CondorLoadAvg": "0.0",
    "TotalLoadAvg": "0.0",
    "CpuBusy": "false",
    "CurrentRank": "0.0",
    "Rank": "0.0",
    "SlotID": "1",
    "SlotTypeID": "1",
    "SlotWeight": "Cpus",
    "NumDynamicSlots": "0",
    "State": '"Unclaimed"',
    "Activity": '"Idle"',
    "EnteredCurrentState": "time() - 60",
    "EnteredCurrentActivity": "time() - 60",
    "MyCurrentTime": "time()",
    "DaemonStartTime": "time() - 60",
    "MaxJobRetirementTime": "315360000",
}
LIMITS = (  # as a startd writes it for a partitionable slot
    "MY.Cpus > 0 && TARGET.RequestCpus <= MY.Cpus && MY.Memory > 0 && TARGET.RequestMemory <= MY.Memory && MY.Disk > 0"
    " && TARGET.RequestDisk <= MY.Disk && (TARGET.RequestGPUs =?= undefined || MY.GPUs >= TARGET.RequestGPUs)"
)


def prototype(
    size: Size, *, slots: int = 1, partitionable: bool, start: str, attributes: tuple[tuple[str, str], ...]
) -> str:
    """The ClassAd (old syntax, one attribute a line) of a free slot of `size`; later `attributes` replace earlier ones.

    `slots`: of the worker. Memory is in MiB and Disk in KiB, as a startd advertises them. `attributes` are (name,
    ClassAd expression); names are compared without case.
    """
    told = {
        **PLAUSIBLE,
        **dict.fromkeys(ABILITIES, "true"),
        **_amounts(size, slots),
        "TotalSlots": str(slots),
        "PartitionableSlot": str(partitionable).lower(),
        "SlotType": '"Partitionable"' if partitionable else '"Static"',
        "Start": start,
        "WithinResourceLimits": LIMITS if partitionable else "true",
        "Requirements": "START && WithinResourceLimits",
    }
    spelled = {name.lower(): name for name in told}
    for name, value in attributes:
        told[spelled.setdefault(name.lower(), name)] = value
    return "\n".join(f"{name} = {value}" for name, value in told.items())


def _amounts(size: Size, slots: int) -> dict[str, str]:
    """Of the slot, of the slot with all that was carved from it, and of the machine."""
    cpus, memory_mib, disk_mib, gpus = size
    found: dict[str, str] = {}
    for name, amount in {"Cpus": cpus, "Memory": memory_mib, "Disk": disk_mib * 1024, "GPUs": gpus}.items():
        found |= {name: str(amount), f"TotalSlot{name}": str(amount), f"Total{name}": str(amount * slots)}
        found[f"Detected{name}"] = found[f"Total{name}"]
    return {**found, "VirtualMemory": str(memory_mib * 1024), "TotalVirtualMemory": str(memory_mib * slots * 1024)}
