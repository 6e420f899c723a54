"""A mail server for benches, in a process of its own: takes everything, counts it, keeps nothing.

Rule: prints its port; a line on standard input is answered with how many messages came; ends with its input.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop


class Sink(asyncio.Protocol):
    """One connection."""

    taken = 0

    def __init__(self) -> None:
        self._received = b""
        self._is_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._say(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        answers = []
        while True:
            end = b"\r\n.\r\n" if self._is_message else b"\r\n"
            line, found, rest = self._received.partition(end)
            if not found:
                break
            self._received = rest
            answers.append(self._answer(line))
        if answers:
            self._say(b"".join(answers))

    def _answer(self, line: bytes) -> bytes:
        if self._is_message:
            self._is_message = False
            Sink.taken += 1
            return b"250 2.0.0 Ok: queued as 4XbQ1z0kZzz1\r\n"
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n"
        self._is_message = verb == b"DATA"
        return b"354 go\r\n" if self._is_message else b"250 ok\r\n"

    def _say(self, answer: bytes) -> None:
        self._transport.write(answer)  # type: ignore[attr-defined]


async def main() -> None:
    """Serves until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(Sink.taken, flush=True)


if __name__ == "__main__":
    uvloop.run(main())
