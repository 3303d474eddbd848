"""What every mail carries around its message, and what every message is.

This package has no vocabulary: the words are the caller's (`kinds`), a mapping from a kind to its Message class.
Body fields are what msgpack knows (maps with text keys, lists, text, numbers, booleans, none); pydantic turns
them back into tuples, enumerations and times.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1

STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Message(BaseModel):
    """The base of all words that travel. A subclass sets `kind` and says what repeating it does."""

    model_config = STRICT

    kind: ClassVar[str]


Kinds = Mapping[str, type[Message]]


class Envelope(BaseModel):
    """Around a message. All times are Redis time in seconds since the epoch."""

    model_config = STRICT

    schema_version: int = SCHEMA
    id: str = Field(min_length=1, max_length=128)
    kind: str = Field(min_length=1, max_length=128)
    sender: str = Field(min_length=1, max_length=256)  # host#incarnation
    sent_at: float
    not_after: float | None = None  # of no use later than this
    body: dict[str, Any]


def vocabulary(*words: type[Message]) -> Kinds:
    """A mapping of kinds, for these words. Raises ValueError if two share a kind."""
    kinds = {word.kind: word for word in words}
    if len(kinds) < len(words):
        raise ValueError(f"two of {', '.join(word.__name__ for word in words)} share a kind")
    return kinds
