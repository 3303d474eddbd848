"""A small vocabulary for tests."""

from typing import ClassVar

from broker.envelope import Message, vocabulary


class Look(Message):
    """Look at row `row`. Repeating it does no harm."""

    kind: ClassVar[str] = "look"

    row: int
    why: tuple[str, ...] = ()


class Call(Message):
    """Another word, with text."""

    kind: ClassVar[str] = "call"

    name: str
    share: float = 0.5


KINDS = vocabulary(Look, Call)
