"""The wire to a simulated world (deploy/lab/world), shared by the simulated pool and the simulated cloud.

One request, one answer: a length of 4 bytes, then msgpack. A request is [operation, {argument: value}]; an answer is
["ok", value] or [kind of error, text]. A connection for each call: no state to lose, and any thread may call.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgpack

LENGTH = struct.Struct(">I")


class WorldAway(Exception):
    """No answer within the limit; the call may have been carried out."""


class WorldRefused(Exception):
    """The world answered no. `kind` is its word for why."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class WorldLink:
    """`place` is HOST:PORT or the path of a socket. Every call ends within `limit_s`, in steps of the connection."""

    def __init__(self, place: str, limit_s: float) -> None:
        self._place, self._limit_s = place, limit_s

    def call(self, operation: str, **arguments: Any) -> Any:
        """The world's answer. Raises WorldAway or WorldRefused."""
        try:
            with self._connected() as connection:
                send(connection, [operation, arguments])
                kind, value = receive(connection)
        except (OSError, EOFError) as error:
            raise WorldAway(f"the world at {self._place} was asked for {operation}: {error}") from error
        if kind != "ok":
            raise WorldRefused(kind, value)
        return value

    def _connected(self) -> socket.socket:
        if "/" in self._place:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self._limit_s)
            connection.connect(self._place)
            return connection
        host, _, port = self._place.rpartition(":")
        return socket.create_connection((host, int(port)), self._limit_s)


def send(connection: socket.socket, message: Any) -> None:
    body = msgpack.packb(message)
    connection.sendall(LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> Any:
    """Raises EOFError when the other side is gone."""
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
    return msgpack.unpackb(_exactly(connection, length), strict_map_key=False)


def _exactly(connection: socket.socket, length: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < length:
        piece = connection.recv(min(length - len(pieces), 1 << 20))
        if not piece:
            raise EOFError("the connection was closed")
        pieces += piece
    return bytes(pieces)
