"""What a child process inherits of our environment: what a program needs to run, and nothing else.

The factory's secrets may stand in its environment (`env:NAME`, AWS_*). A child that a stranger's ad can bring down,
or a command that an operator's script calls, must not have them to lose: in a core file, /proc, a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "X509_CERT_DIR", "X509_USER_PROXY", "KRB5_CONFIG", "KRB5CCNAME"),
        "SSH_AUTH_SOCK",
    )
)
_FAMILIES = ("LC_",)
_CONDOR = ("CONDOR_CONFIG", "_CONDOR_")


def inherited(condor: bool, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those variables that are set. `condor`: with HTCondor's settings too, which its commands read."""
    families = (*_FAMILIES, *_CONDOR) if condor else _FAMILIES
    return {name: value for name, value in environment.items() if name in _NAMES or name.upper().startswith(families)}
