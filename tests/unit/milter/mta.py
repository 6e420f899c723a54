"""An MTA as far as a milter sees it: it connects, says what it has, and puts on top what it is told to."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field

WITHIN = 30.0
ALL_STEPS = 0x1FFFFF
LOOPBACK = b"localhost\0" + b"4" + struct.pack(">H", 4025) + b"127.0.0.1\0"
OUTSIDE = b"mail.example.org\0" + b"4" + struct.pack(">H", 4025) + b"192.0.2.7\0"
REPLIES = {b"c": "continue", b"t": "tempfail", b"a": "accept", b"r": "reject"}


def packet(letter: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", 1 + len(content)) + letter + content


def offer(version: int = 6, actions: int = 0x1FF, steps: int = ALL_STEPS) -> bytes:
    return packet(b"O", struct.pack(">III", version, actions, steps))


def macros(command: bytes, **values: str) -> bytes:
    pairs = b"".join(f"{{{name}}}\0{value}\0".encode() for name, value in values.items())
    return packet(b"D", command + pairs)


def letter_packets(raw: bytes, *, chunk: int = 65535) -> bytes:
    """A letter's packets from its first field to the end of its body, as Postfix makes them."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in b" \t" and fields:
            fields[-1] += b"\n" + line
        else:
            fields.append(line)
    found = [
        packet(b"L", name + b"\0" + value + b"\0") for name, _, value in (f.partition(b":") for f in fields)
    ]
    found.append(packet(b"N"))
    found += [packet(b"B", body[at : at + chunk]) for at in range(0, len(body), chunk)]
    return b"".join([*found, packet(b"E")])


@dataclass
class Answer:
    """What a milter said at a letter's end."""

    reply: str
    inserted: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    other: list[bytes] = field(default_factory=list)

    def applied(self, raw: bytes) -> bytes:
        """The letter as the MTA sends it on."""
        assert not self.other
        for index, name, value in self.inserted:
            assert index == 0
            assert b"\r" not in value
            raw = name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n" + raw
        return raw


class Mta:
    """One connection to a milter."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connected(cls, where: str | tuple[str, int], client: bytes = LOOPBACK) -> Mta:
        """An MTA whose milter has agreed, with a client of its own."""
        opening = (
            asyncio.open_unix_connection(where) if isinstance(where, str) else asyncio.open_connection(*where)
        )
        mta = cls(*await opening)
        mta.say(offer())
        letter, _ = await mta.hear()
        assert letter == b"O"
        mta.say(macros(b"C", j="mx.test"), packet(b"C", client))
        return mta

    def say(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    async def hear(self) -> tuple[bytes, bytes]:
        async with asyncio.timeout(WITHIN):
            (length,) = struct.unpack(">I", await self._reader.readexactly(4))
            content = await self._reader.readexactly(length)
        return content[:1], content[1:]

    async def ended(self) -> bool:
        """Whether the milter hangs up, with nothing more said."""
        async with asyncio.timeout(WITHIN):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True

    async def answer(self) -> Answer:
        """What the milter says up to its final word."""
        answer = Answer("")
        while not answer.reply:
            letter, content = await self.hear()
            if letter == b"i":
                (index,) = struct.unpack(">I", content[:4])
                name, value, end = content[4:].split(b"\0")
                assert end == b""
                answer.inserted.append((index, name, value))
            elif letter in REPLIES:
                answer.reply = REPLIES[letter]
            else:
                answer.other.append(letter)
        return answer

    async def hand_in(self, raw: bytes, *, login: str = "") -> Answer:
        """The milter's answer for a letter."""
        given = {"auth_authen": login} if login else {}
        self.say(
            macros(b"M", i="4XYZ", mail_addr="a@example.com", **given),
            packet(b"M", b"<a@example.com>\0"),
            letter_packets(raw),
        )
        return await self.answer()

    def close(self) -> None:
        self.writer.close()
