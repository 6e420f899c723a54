"""What we log in with at the next hop, and where it is kept.

Rule: a password comes from a file or the environment, is never shown, and goes out inside TLS only.
References: RFC 4954 §4, RFC 4616 §2; docs/config.md.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and password at the next hop."""

    user: str
    password: str = field(repr=False)

    def commands(self, offered: str) -> tuple[bytes, ...]:
        """What is said, a line a step, by the best of the ways offered; nothing where we know none of them.

        >>> Login("u", "p").commands("CRAM-MD5 LOGIN")
        (b'AUTH LOGIN\\r\\n', b'dQ==\\r\\n', b'cA==\\r\\n')
        """
        user, password = self.user.encode(), self.password.encode()
        ways = offered.upper().split()
        if "PLAIN" in ways:
            return (b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password) + b"\r\n",)
        if "LOGIN" in ways:
            return (b"AUTH LOGIN\r\n", b64encode(user) + b"\r\n", b64encode(password) + b"\r\n")
        return ()


def load_login(source: str, environment: Mapping[str, str]) -> Login | None:
    """What `file:/path` or `env:NAME` holds, the name in its first line and the password in its second.

    None for no source; raises ValueError without what is in it, and OSError.
    """
    if not source:
        return None
    kind, _, where = source.partition(":")
    if kind not in ("file", "env") or not where:
        raise ValueError("credentials are kept at file:/path or env:NAME")
    if kind == "file":
        with Path(where).open(encoding="utf-8") as opened:
            content = opened.read(_LONGEST)
    else:
        content = environment.get(where, "")
    lines = content.splitlines()
    if len(lines) != 2 or not all(lines) or "\0" in content:
        raise ValueError(f"{source} does not hold a user's name and its password, a line each")
    return Login(*lines)
