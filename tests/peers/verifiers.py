"""Four DKIM verifiers that are not ours, each a program that stays up and answers one line at a time.

Rule: one line of JSON in, `{"message": base64, "keys": {owner name: TXT value}}`, one line out,
`{"results": ["pass", ...]}` with a word a signature; keys come from the request, never from the DNS.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).with_name("verifiers_of")
CHECKOUT = Path(__file__).parents[2]
ANSWER_WITHIN = 30.0


@dataclass(frozen=True)
class Kind:
    """A verifier: how it is started, and what must be installed for it."""

    name: str
    command: tuple[str, ...]
    debian: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()


KINDS = (
    Kind("dkimpy", (sys.executable, str(PROGRAMS / "dkimpy.py"))),
    Kind("opendkim", (sys.executable, str(PROGRAMS / "opendkim.py")), debian=("opendkim",)),
    Kind("mail-dkim", ("perl", str(PROGRAMS / "mail-dkim.pl")), debian=("libmail-dkim-perl",)),
    Kind("mailauth", ("node", str(PROGRAMS / "mailauth.cjs")), npm=("mailauth",)),
)


class Verifier:
    """One running verifier."""

    def __init__(self, kind: Kind, process: subprocess.Popen[bytes]) -> None:
        self.name = kind.name
        self._process = process
        self._rest = b""

    def ask(self, message: bytes, keys: Mapping[str, str]) -> None:
        """Give it a message; its answer is fetched by `answer`, so that several work at once."""
        request = {"message": base64.b64encode(message).decode(), "keys": dict(keys)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> list[str]:
        """A word a signature: `pass`, or what the verifier says instead."""
        reply: dict[str, Any] = json.loads(self._line())
        if "error" in reply:
            return [f"error: {reply['error']}"]
        return [str(word) for word in reply["results"]]

    def verify(self, message: bytes, keys: Mapping[str, str]) -> list[str]:
        """Ask and wait for the answer."""
        self.ask(message, keys)
        return self.answer()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([descriptor], [], [], ANSWER_WITHIN)
            piece = os.read(descriptor, 65536) if ready else b""
            if not piece:
                raise AssertionError(f"{self.name} gave no answer within {ANSWER_WITHIN:.0f} s")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line


@contextmanager
def running(kind: Kind) -> Iterator[Verifier]:
    """The verifier, started, and ended by closing its input."""
    environment = os.environ | {"NODE_PATH": str(CHECKOUT / ".dev" / "npm" / "node_modules")}
    with subprocess.Popen(
        kind.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield Verifier(kind, process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def all_running(kinds: tuple[Kind, ...] = KINDS) -> Iterator[list[Verifier]]:
    """Several verifiers at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(running(kind)) for kind in kinds]


def verify_by_all(verifiers: list[Verifier], message: bytes, keys: Mapping[str, str]) -> dict[str, list[str]]:
    """What each of them says of one message; they work side by side."""
    for verifier in verifiers:
        verifier.ask(message, keys)
    return {verifier.name: verifier.answer() for verifier in verifiers}
