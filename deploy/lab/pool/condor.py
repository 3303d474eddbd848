"""Getting HTCondor without root: Debian's own packages, unpacked and made to run where they lie.

Why: the lab shows the factory on a *real* pool on any Debian machine, for an ordinary user, and
Debian 12 has no HTCondor package. So the packages of a newer suite are fetched from the mirror in the
machine's own apt sources, with apt's state in a folder of our own, unpacked by `dpkg -x` (nothing is
installed) and bound to their own C library by patchelf. That takes about 15 s and 70 MB.

The rule it keeps: what is handed out is whole. The search path burnt into the programs is absolute,
so they are unpacked where they will live, under a lock, and a marker file is written last; a folder
without the marker is thrown away and made anew.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITES = ("sid", "forky", "trixie")
"""Newest first. sid and forky move and may be broken for a day; trixie (HTCondor 23.9) stands still."""

_MARKER = ".whole"
_DOWNLOAD_LIMIT_S = 240.0
_KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")

_PROGRAMS = ("condor", "curl")
"""curl stands for what any machine image has: workers ask the metadata service with it."""

# The packages that these programs link against, out of all that they depend on.
_WANTED = re.compile(r"condor|curl|zlib1g|lib.*")
_UNWANTED = re.compile(r"lib(perl|python|sqlite|boost-python|systemd-shared|c-gconv|js-|db5|sepol|gdbm).*|.*-perl")


class CannotHave(Exception):
    """Real HTCondor cannot be had on this machine; the text says why. Use the simulated pool instead."""


class NotDebian(CannotHave):
    """This operating system has no Debian packages: it cannot be had here at all."""


def condor_prefix(suites: Sequence[str] = SUITES, cache: Path | None = None) -> Path:
    """The folder HTCondor was unpacked into (programs in `usr/bin` and `usr/sbin`), made if need be.

    The first suite that is there already is taken; else the first that can be had.
    Raises CannotHave with the reason of each suite that failed.
    """
    debian_codename()
    home = cache or cache_directory()
    _make_readable(home)
    with _locked(home / "programs.lock"):
        for suite in suites:
            if (home / f"programs-{suite}" / _MARKER).exists():
                return home / f"programs-{suite}"
        reasons = []
        for suite in suites:
            try:
                return _make(suite, home / f"programs-{suite}")
            except CannotHave as reason:
                reasons.append(f"{suite}: {reason}")
    raise CannotHave("; ".join(reasons))


def cache_directory() -> Path:
    """Where unpacked programs are kept between runs. Root's is readable by the user that it drops to."""
    if os.geteuid() == 0:
        return Path("/var/cache/autopyfactory-cloud")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autopyfactory-cloud"


def _make(suite: str, prefix: Path) -> Path:
    patchelf = _patchelf()
    shutil.rmtree(prefix, ignore_errors=True)
    _make_readable(prefix)
    with tempfile.TemporaryDirectory(prefix="apf-apt-") as scratch:
        for package in download(suite, Path(scratch), _PROGRAMS, _WANTED):
            _run(["dpkg", "-x", str(package), str(prefix)])
    for folder in ("doc", "man", "locale", "lintian"):
        shutil.rmtree(prefix / "usr/share" / folder, ignore_errors=True)
    _bind(prefix, patchelf)
    _run([str(prefix / "usr/sbin/condor_master"), "-version"])
    (prefix / _MARKER).write_text(suite)
    return prefix


def download(suite: str, scratch: Path, programs: Sequence[str], wanted_names: re.Pattern[str]) -> list[Path]:
    """The .deb files of `programs` and of all that they depend on, as far as `wanted_names` says, from one suite.

    Raises CannotHave.
    """
    apt = _apt_options(suite, scratch)
    archives = scratch / "archives"
    _run(["apt-get", *apt, "-qq", "update"])
    plan = _run(["apt-get", *apt, "--simulate", "install", *programs])
    closure = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    wanted = [name for name in closure if wanted_names.fullmatch(name) and not _UNWANTED.fullmatch(name)]
    _run(["apt-get", *apt, "-qq", "download", *wanted], cwd=archives)
    return sorted(archives.glob("*.deb"))


def _apt_options(suite: str, scratch: Path) -> list[str]:
    """apt with all of its state in `scratch`, knowing one suite of the machine's own mirror."""
    for folder in ("sources", "lists/partial", "archives/partial"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    source, keyring = mirror(), _keyring()
    stanza = f"Types: deb\nURIs: {source}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
    (scratch / "sources/lab.sources").write_text(stanza)
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": scratch / "sources",
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch,
        "Dir::Cache::archives": scratch / "archives",
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": 0,
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def mirror(etc: Path = Path("/etc/apt")) -> str:
    """The mirror that this machine's apt uses for Debian itself, in either form of its sources."""
    codename = debian_codename()
    for suites, uri in _sources(etc):
        if codename in suites:
            return uri
    raise CannotHave(f"no source for Debian {codename} was found in {etc}")


def _sources(etc: Path) -> Iterator[tuple[list[str], str]]:
    """(suites, first URI) of each source of binary packages."""
    for path in sorted(etc.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^(Types|URIs|Suites|Enabled): *(.+)$", stanza, re.MULTILINE))
            if "URIs" in fields and fields.get("Enabled", "yes") == "yes" and "deb" in fields.get("Types", "").split():
                yield fields.get("Suites", "").split(), fields["URIs"].split()[0]
    for path in [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]:
        text = path.read_text() if path.exists() else ""
        for uri, suite in re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text, re.MULTILINE):
            yield [suite], uri


def debian_codename() -> str:
    """This machine's release, as "bookworm". Raises NotDebian."""
    release = Path("/etc/os-release")
    text = release.read_text() if release.exists() else ""
    fields: dict[str, str] = dict(re.findall(r'^(ID|VERSION_CODENAME)="?([^"\n]*)"?$', text, re.MULTILINE))
    if fields.get("ID") != "debian" or not shutil.which("apt-get"):
        raise NotDebian(f"this machine is {fields.get('ID', 'unknown')}, not Debian with apt-get")
    return fields.get("VERSION_CODENAME", "")


def _keyring() -> Path:
    for name in _KEYRINGS:
        path = Path("/usr/share/keyrings") / name
        if path.exists():
            return path
    raise CannotHave("Debian's archive keyring is not in /usr/share/keyrings")


def _bind(prefix: Path, patchelf: str) -> None:
    """Make every program use the loader and the libraries that were unpacked beside it."""
    loader = next(prefix.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"), None)
    if loader is None:
        raise CannotHave(f"no dynamic loader was unpacked into {prefix}")
    programs = [str(path) for path in sorted(prefix.glob("usr/**/*")) if _is_program(path)]
    search_path = f"{loader.parent}:{loader.parent}/condor:{prefix}/usr/lib:{prefix}/usr/lib/condor"
    arguments = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", search_path]
    _run([patchelf, *arguments, *programs])


def _is_program(path: Path) -> bool:
    """An ELF file that names its loader: a program, not a library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(2048)
    return start.startswith(b"\x7fELF") and b"/ld-linux" in start and os.access(path, os.X_OK)


def _patchelf() -> str:
    beside = Path(sys.executable).parent / "patchelf"
    found = str(beside) if beside.exists() else shutil.which("patchelf")
    if not found:
        raise CannotHave("patchelf is missing: install the 'lab' extra")
    return found


def _run(arguments: list[str], cwd: Path | None = None) -> str:
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            arguments, cwd=cwd, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["nothing"]
        reason = next((line for line in said if line.startswith("E:")), said[-1])
        raise CannotHave(f"{Path(arguments[0]).name} said: {reason}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotHave(f"{Path(arguments[0]).name}: {error}") from error
    return done.stdout


def _make_readable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    except OSError as error:
        raise CannotHave(f"{folder} cannot be made: {error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
