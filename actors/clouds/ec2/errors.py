"""EC2's error codes by remedy. Pure: code, HTTP status and text in, the error to raise out.

The rule it keeps: only an answer that EC2 itself gave, and that says that nothing was started, is sure. Codes go before
the status, because EC2 sends "no capacity" with status 500 and "too many calls" with 503. A 4xx without a code of
EC2's own comes from something in between (a proxy), so it proves nothing.

Source: the error codes of the EC2 API reference. Measured: a token mismatch proves that the token *was* used, so it is
unknown, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from actors.clouds.port import CloudError, NoCapacity, Quota, Refused, Spent, Throttled, TokenUsed, Unknown

_EXACT: Mapping[str, type[CloudError]] = {
    "InsufficientInstanceCapacity": NoCapacity,
    "InsufficientHostCapacity": NoCapacity,
    "InsufficientReservedInstanceCapacity": NoCapacity,
    "InsufficientCapacityOnHost": NoCapacity,
    "InsufficientCapacity": NoCapacity,
    "InsufficientFreeAddressesInSubnet": NoCapacity,
    "InsufficientAddressCapacity": NoCapacity,
    "InsufficientVolumeCapacity": NoCapacity,
    "ReservationCapacityExceeded": NoCapacity,
    "SpotMaxPriceTooLow": NoCapacity,
    "MaxSpotInstanceCountExceeded": Quota,
    "RequestLimitExceeded": Throttled,
    "BandwidthLimitExceeded": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "ThrottledException": Throttled,
    "RequestThrottled": Throttled,
    "RequestThrottledException": Throttled,
    "EC2ThrottledException": Throttled,
    "TooManyRequestsException": Throttled,
    "SlowDown": Throttled,
    "IdempotentInstanceTerminated": Spent,
    "IdempotentParameterMismatch": TokenUsed,
    "RequestTimeout": Unknown,
    "InternalError": Unknown,
    "InternalFailure": Unknown,
    "ServiceUnavailable": Unknown,
    "Unavailable": Unknown,
}
_QUOTA = re.compile(r"(Limit|Quota)Exceeded$|Max\w+Exceeded$")
_EC2_CODE = re.compile(r"[A-Z][A-Za-z]+(\.[A-Za-z]+)*")
_PREFIX = re.compile(r"^(Client|Server)\.")

AUTH = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
    }
)
ONE_OF_MANY = frozenset(
    {"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "OperationNotPermitted", "UnsupportedOperation"}
)
IS_IT_EC2 = "is the endpoint an EC2 API, and no proxy or page of something else?"
OPENSTACKS = (
    "if it is OpenStack's EC2 API: that answers 500 to launches with MetadataOptions or TagSpecification; a cloud of"
    " kind openstack does better, or set metadata_options = false and tag_specifications = false"
)
GONE = "InvalidInstanceID.NotFound"


def plain(code: str) -> str:
    """The code without the "Client." or "Server." that some clouds put before it."""
    return _PREFIX.sub("", code)


def remedy(code: str, status: int, text: str) -> CloudError:
    """The error to raise for an answer that was no success. `status` is HTTP's, 0 if there was none."""
    word = plain(code)
    if not code:
        return _kind(word, status)(
            f"the answer has HTTP status {status} and no code of EC2's{_tail(text)}; {IS_IT_EC2}", word
        )
    return _kind(word, status)(f"EC2 answered {code} (HTTP {status}): {text}", word)


def _tail(text: str) -> str:
    return f": {text}" if text else ""


def _kind(code: str, status: int) -> type[CloudError]:
    if code in _EXACT:
        return _EXACT[code]
    if status == 429:
        return Throttled
    if _QUOTA.search(code):
        return Quota
    if 400 <= status < 500 and _EC2_CODE.fullmatch(code):
        return Refused
    return Unknown
