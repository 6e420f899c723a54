"""AUTH: user name and password as PLAIN and LOGIN send them.

Rule: a password is never logged, kept or repeated; whatever is wrong with it ends in the same refusal.
References: RFC 4954 §4, RFC 4616 §2.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from mailseal.core.access import no_match
from mailseal.service.submit import SignedIn, sign_in
from mailseal.smtp.submission.commands import CommandRefused
from mailseal.smtp.wire import Wire

if TYPE_CHECKING:
    from mailseal.smtp.submission.session import Setting

_USER = base64.b64encode(b"Username:").decode()
_PASSWORD = base64.b64encode(b"Password:").decode()


async def signed_in_by(setting: Setting, wire: Wire, mechanism: str, initial: str | None) -> SignedIn:
    """Who signs in; raises CommandRefused for what is not of the mechanism, SignatureDoesNotMatch."""
    if mechanism == "PLAIN":
        answer = initial if initial is not None else await _asked(setting, wire, "")
        authorize_as, user, password = _parse_plain(_decoded(answer))
        if authorize_as not in ("", user):
            raise no_match()
    elif mechanism == "LOGIN":
        user = _decoded(initial if initial is not None else await _asked(setting, wire, _USER))
        password = _decoded(await _asked(setting, wire, _PASSWORD))
    else:
        raise CommandRefused(504, "Unrecognized authentication type")
    return await sign_in(setting.world, setting.gate, user, password)


async def _asked(setting: Setting, wire: Wire, challenge: str) -> str:
    wire.write(f"334 {challenge}\r\n".encode())
    line = await wire.line(setting.limits.auth_line, setting.limits.before_sign_in_s)
    text = line.removesuffix(b"\r\n").decode("ascii", "replace")
    if text == "*":
        raise CommandRefused(501, "Authentication was given up")
    return text


def _decoded(text: str) -> str:
    """What base64 says; a single = is an empty response (RFC 4954 §4)."""
    try:
        return base64.b64decode("" if text == "=" else text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise CommandRefused(501, "That is not base64 of UTF-8") from None


def _parse_plain(text: str) -> tuple[str, str, str]:
    parts = text.split("\0")
    if len(parts) != 3 or not parts[1]:
        raise CommandRefused(501, "PLAIN is an identity, a user name and a password with NUL between")
    return parts[0], parts[1], parts[2]
