"""The user-data of a new worker: the cloud-init template filled in for one queue on one cloud, with a fresh token.

The token may only advertise; the operator's command mints it, so the signing key is on no factory host. Where a pool's
workers have an identity for each launch, its token is made for one launch, and so is the user-data.
"""

from __future__ import annotations

from collections.abc import Callable

# (cloud, queue, launch) -> user-data; may take seconds; raises RecipeFailed. `launch` "": for any
Recipe = Callable[[str, str, str], str]


class RecipeFailed(Exception):
    """No worker can be made: the token command failed, or the template cannot be filled in. A person must act."""
