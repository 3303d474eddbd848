"""A real panda-server on this machine: its package from the registry, PostgreSQL from Debian, TLS.

What it is not: Apache (`serve.py` stands in mod_wsgi's and mod_ssl's place), PanDA's whole database (`schema.sql` has
the tables that the calls under test read), and a PanDA with daemons. What it is: panda-server's own code from the
request to the SQL, and so its answers.

Neither its package nor PostgreSQL may be root's: as root all is done by `nobody`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.actors.pools.http_service import certificate

HERE = Path(__file__).parent
ROOM = Path(tempfile.gettempdir()) / f"apf-panda-{os.getuid()}"
NOT_NEEDED = ("mod-wsgi", "mod_wsgi")  # wants Apache's headers to build
UP_S = 120.0


class NoPanda(Exception):
    """It cannot be had here: the text says what is missing."""


class RealPanda:
    """`with RealPanda() as panda:`; `url`, and `ca`, which is a client's certificate as well."""

    def __init__(self) -> None:
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        self._room, self._python = ROOM, ROOM / "venv/bin/python"
        self._port, self._db_port = _free_port(), _free_port()
        self.url = f"https://localhost:{self._port}"
        self.ca = self._room / "all.pem"
        self._server: subprocess.Popen[bytes] | None = None
        self._bin = _postgres()

    def __enter__(self) -> RealPanda:
        try:
            self._install()
            self._configure()
            self._make_database()
            self._serve()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()
        if (self._room / "db/postmaster.pid").exists():
            self.stop_database()

    @property
    def version(self) -> str:
        show = "from importlib.metadata import version; print(version('panda-server'))"
        return self._run(str(self._python), "-c", show).strip()

    def sql(self, file: str) -> None:
        text = (HERE / file).read_bytes()
        where = ("-h", "127.0.0.1", "-p", str(self._db_port), "-U", "panda", "panda_db")
        self._run(str(self._bin / "psql"), "-q", "-v", "ON_ERROR_STOP=1", *where, stdin=text)

    def start_database(self) -> None:
        options = f"-p {self._db_port} -k {self._room} -c listen_addresses=127.0.0.1"
        self._run(str(self._bin / "pg_ctl"), "-D", "db", "-o", options, "-l", "db.log", "-w", "start")

    def stop_database(self) -> None:
        self._run(str(self._bin / "pg_ctl"), "-D", "db", "-m", "immediate", "-w", "stop")

    def _install(self) -> None:
        """Once a machine: some minutes."""
        self._room.mkdir(exist_ok=True)
        if self._as:
            shutil.chown(self._room, "nobody", "nogroup")
        if (self._room / "installed").exists():
            return
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
        if python is None:
            raise NoPanda("no python3 of this machine that any user may run")
        self._run(python, "-m", "venv", "--clear", "venv")
        self._pip("--no-deps", "panda-server")
        show = "from importlib.metadata import requires; print('\\n'.join(requires('panda-server')))"
        needs = [line.partition(";")[0].strip() for line in self._run(str(self._python), "-c", show).splitlines()
                 if "extra ==" not in line]  # fmt: skip
        self._pip("psycopg2-binary", *(one for one in needs if not one.startswith(NOT_NEEDED)))
        self._run("touch", "installed")

    def _pip(self, *packages: str) -> None:
        self._run(str(self._python), "-m", "pip", "install", "--quiet", *packages)

    def _configure(self) -> None:
        """The package's own example, with what must differ here."""
        etc = self._room / "home/etc/panda"
        shutil.rmtree(self._room / "home", ignore_errors=True)
        etc.mkdir(parents=True)
        (self._room / "log").mkdir(exist_ok=True)
        certificate(self.ca)
        changes = {
            "logdir": f"{self._room}/log", "cache_dir": f"{self._room}/log", "dbhost": "127.0.0.1",
            "dbport": f"{self._db_port}\nbackend = postgres", "dbtimeout": "10", "usedbtimeout": "False",
        }  # fmt: skip
        for name in ("panda_server.cfg", "panda_common.cfg"):
            text = (self._room / f"venv/etc/panda/{name}.rpmnew").read_text()
            keyed = [(line.partition("=")[0].strip(), line) for line in text.splitlines()]
            lines = [f"{key} = {changes[key]}" if key in changes else line for key, line in keyed]
            (etc / name).write_text("\n".join(lines) + "\n")
        for path in (self.ca, self._room / "log") if self._as else ():
            shutil.chown(path, "nobody", "nogroup")

    def _make_database(self) -> None:
        self._run("rm", "-rf", "db")
        self._run(str(self._bin / "initdb"), "-D", "db", "-A", "trust", "-U", "panda")
        self.start_database()
        self._run(str(self._bin / "createdb"), "-h", "127.0.0.1", "-p", str(self._db_port), "-U", "panda", "panda_db")
        self.sql("schema.sql")

    def _serve(self) -> None:
        shutil.copy(HERE / "serve.py", self._room)
        log = (self._room / "serve.log").open("wb")
        command = [str(self._python), "serve.py", str(self._port), str(self.ca)]
        self._server = subprocess.Popen(
            command, cwd=self._room, env=self._environment(), stdout=log, stderr=log, **self._as
        )
        deadline = time.monotonic() + UP_S
        while b"serving" not in (said := (self._room / "serve.log").read_bytes()):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise NoPanda(f"panda-server does not start: {said[-2000:].decode(errors='replace')}")
            time.sleep(0.2)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name.lower()}
        path = f"/usr/local/bin:/usr/bin:/bin:{self._bin}"
        mine = {"PATH": path, "HOME": str(self._room), "LANG": "C.UTF-8", "VIRTUAL_ENV": str(self._room / "venv")}
        return {**kept, **mine, "PANDA_HOME": str(self._room / "home"), "PANDA_BEHIND_REAL_LB": "1"}

    def _run(self, *command: str, stdin: bytes | None = None) -> str:
        done: Any = subprocess.run(
            command,
            cwd=self._room,
            env=self._environment(),
            input=stdin,
            stdout=subprocess.PIPE if "pg_ctl" not in command[0] else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if "pg_ctl" not in command[0] else subprocess.DEVNULL,
            check=False,
            **self._as,  # type: ignore[arg-type]
        )
        said = (done.stdout or b"").decode(errors="replace")
        if done.returncode:
            raise NoPanda(f"{' '.join(command)[:200]} ended with {done.returncode}: {said[-2000:]}")
        return said


def _postgres() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NoPanda("PostgreSQL's server is not installed: apt-get install postgresql")
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
