"""The configuration that the lab's daemons share: where they live, how fast they are, whom they trust.

The rule it keeps: the pool trusts tokens and nothing else (IDTOKENS; no FS, no host based trust), so a
lab worker can do exactly what a worker in a cloud can. Who may do what, on the pool's side:

    USER@lab      the operating-system user of the daemons: the pool's own daemons, and the jobs' owner
    factory@lab   READ, and ADMINISTRATOR at the collector: look, and drain (see `tokens.py`)
    worker@lab    READ, ADVERTISE_STARTD and ADVERTISE_MASTER: join, and nothing else
"""

from enum import StrEnum
from pathlib import Path

from deploy.lab.pool.user import DOMAIN

FACTORY = f"factory@{DOMAIN}"
WORKER = f"worker@{DOMAIN}"
WORKER_OF_LAUNCH = f"worker-*@{DOMAIN}"


class Pace(StrEnum):
    """How often the pool looks and tells. QUICK is for demos; STOCK leaves HTCondor's own intervals.

    At the quick pace schedds do not call for the negotiator, which comes every two seconds anyway. Measured (25.14): a
    schedd's first call authenticates by TCP; if the negotiator comes for those jobs at that moment, each waits for the
    other and the schedd answers nobody for 20 s (3 of 16 pools: "timeout reading 5 bytes", then "RESCHEDULE" failed).
    """

    QUICK = "quick"
    STOCK = "stock"


_QUICK = """
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_UPDATE_INTERVAL = 10
SCHEDD_INTERVAL = 5
SCHEDD_MIN_INTERVAL = 1
SCHEDD_SEND_RESCHEDULE = false
UPDATE_INTERVAL = 5
MASTER_UPDATE_INTERVAL = 10
COLLECTOR_UPDATE_INTERVAL = 10
CLASSAD_LIFETIME = 60
STARTER_UPDATE_INTERVAL = 5
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 5
POLLING_INTERVAL = 1
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 5
"""


def places(prefix: Path, directory: Path) -> str:
    """Where HTCondor's programs lie, and where one master and its daemons keep their files."""
    return f"""
RELEASE_DIR = {prefix}/usr
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = $(RELEASE_DIR)/lib/condor
LIBEXEC = $(RELEASE_DIR)/libexec/condor
SHARE = $(RELEASE_DIR)/share/condor
LOCAL_DIR = {directory}
RUN = $(LOCAL_DIR)/run
LOG = $(LOCAL_DIR)/log
LOCK = $(LOCAL_DIR)/lock
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
REQUIRE_LOCAL_CONFIG_FILE = false
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
"""


def network(collector: str) -> str:
    """The pool's side: one address of this machine, one domain. `collector` is host:port, at that address."""
    address = collector.partition(":")[0]
    return f"""
{interface(address)}
CONDOR_HOST = {address}
COLLECTOR_HOST = {collector}
DEFAULT_DOMAIN_NAME = {DOMAIN}
UID_DOMAIN = {DOMAIN}
FILESYSTEM_DOMAIN = {DOMAIN}
TRUST_DOMAIN = {DOMAIN}
"""


def interface(address: str = "127.0.0.1") -> str:
    """Daemons that only this address of the machine leads to."""
    return f"""
NETWORK_INTERFACE = {address}
BIND_ALL_INTERFACES = false
ENABLE_IPV6 = false
NO_DNS = true
USE_SHARED_PORT = false
"""


def pace(chosen: Pace) -> str:
    """The intervals, and what only saves work: no web server, no benchmarks, short statistics."""
    quick = _QUICK if chosen is Pace.QUICK else ""
    return f"{quick}\nENABLE_WEB_SERVER = false\nRUNBENCHMARKS = false\nMAX_DEFAULT_LOG = 20 Mb\n"


def pool_security(secrets: Path, identity: str) -> str:
    """Whom the collector, the negotiator and the schedds trust. `secrets` holds their key and token."""
    return f"""
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_DEFAULT_INTEGRITY = REQUIRED
SEC_DEFAULT_ENCRYPTION = OPTIONAL
SEC_PASSWORD_DIRECTORY = {secrets}/keys
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {secrets}/keys/POOL
SEC_TOKEN_SYSTEM_DIRECTORY = {secrets}/tokens
SEC_TOKEN_DIRECTORY = {secrets}/tokens
ALLOW_READ = *
ALLOW_WRITE = {identity}
ALLOW_DAEMON = {identity}
ALLOW_NEGOTIATOR = {identity}
ALLOW_ADMINISTRATOR = {identity}, {FACTORY}
ALLOW_CONFIG = {identity}
ALLOW_ADVERTISE_SCHEDD = {identity}
ALLOW_ADVERTISE_STARTD = {identity}, {WORKER}, {WORKER_OF_LAUNCH}
ALLOW_ADVERTISE_MASTER = {identity}, {WORKER}, {WORKER_OF_LAUNCH}
"""


def client_security(token_folder: Path) -> str:
    """What a person's tools need: the tokens in a folder of their own."""
    return f"""
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_TOKEN_DIRECTORY = {token_folder}
SEC_TOKEN_SYSTEM_DIRECTORY = {token_folder}
"""
