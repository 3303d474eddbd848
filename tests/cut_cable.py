"""A TCP cable that can be cut: a relay between one host and its Redis.

Cut means that packets are lost: connections stay open and nobody answers, as when a switch dies. New connections are
accepted and get no answer either (a listening socket takes them; a dead peer would not, and a time-out looks the same).
Mended means that old connections are reset and new ones work. It works for any user, without network namespaces.
"""

import asyncio
import contextlib
import threading

CHUNK = 1 << 16


class Cable:
    """Relays 127.0.0.1:`port` to another port there. Usable as a context manager."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self._to_port = to_port
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)

    def __enter__(self) -> "Cable":
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        self._cut = True

    def mend(self) -> None:
        """Old connections are reset; new ones are relayed."""
        self._call(self._reset())
        self._cut = False

    def _call(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there_writer)
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        except asyncio.CancelledError:
            return  # the cable is put away; asyncio's own callback would print a traceback
        finally:
            for one in (writer, there_writer):
                self._writers.discard(one)
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if not self._cut:
                    writer.write(data)
                    await writer.drain()
        if not self._cut:
            writer.transport.abort()
