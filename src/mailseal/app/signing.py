"""From the configuration to what signatures cover, and to the operator's own domain.

Rule: From is always signed and oversigned; a signature field never covers other signatures, and what is added
on the way is left out.
References: RFC 6376 §5.4, RFC 6376 §5.4.1; docs/config.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial

from mailseal.batch.engine import open_engine
from mailseal.batch.library import NotInstalled, Unfit
from mailseal.config import Config, SetupError
from mailseal.core.doctor import Signer
from mailseal.core.errors import BadRequest
from mailseal.core.names import parse_domain
from mailseal.dkim.sign import OVERSIGNED, SIGNED, SignOptions
from mailseal.sealing.keyring import Keyring
from mailseal.telemetry import Telemetry

_NAME = re.compile(r"[!-9;-~]{1,70}\Z")
_NEVER = frozenset((b"return-path", b"received", b"dkim-signature", b"bcc", b"resent-bcc"))
"""Changed or taken away on every way, or to be added by others (RFC 6376 §5.4.1)."""
_DAY_S = 24 * 3600


def sign_options_of(config: Config) -> SignOptions:
    """What the configuration says of signatures; raises SetupError."""
    given = config.signing
    extra = frozenset(_field_name(name, "headers").lower() for name in given.headers)
    signed = SIGNED | extra
    oversigned = tuple(_field_name(name, "oversign") for name in given.oversign) or OVERSIGNED
    lowered = [name.lower() for name in oversigned]
    if b"from" not in lowered:
        oversigned = (b"From", *oversigned)
    for name in lowered:
        if name not in signed:
            what = f"[signing] oversign names {name.decode()}, which is not signed"
            raise SetupError(what, do=f'add it: [signing] headers = ["{name.decode()}"]')
    lifetime = given.lifetime_days * _DAY_S or None
    return SignOptions(lifetime_seconds=lifetime, signed=signed, oversigned=oversigned)


async def start_batches(config: Config, keyring: Keyring, telemetry: Telemetry) -> Callable[[], Signer]:
    """How the keyring signs: several digests at once where that is wanted and possible.

    /metrics shows `mailseal_engine_signatures_total` from then on, and only then.
    """
    if not config.signing.batch:
        return partial(Signer, "[signing] batch is off")

    def note(engine: str, count: int) -> None:
        telemetry.count("mailseal_engine_signatures_total", count, engine=engine)

    try:
        engine = await asyncio.to_thread(open_engine, note)
    except NotInstalled as reason:
        return partial(Signer, str(reason))
    except Unfit as reason:
        telemetry.say("signing", text=f"one message at a time: {reason}")
        return partial(Signer, str(reason))
    keyring.sign_with(engine)
    note("batch", 0)
    return lambda: Signer(is_distrusted=not engine.is_trusted)


def operator_domain_of(config: Config) -> str:
    """The domain that signs besides the sender's, empty for none; raises SetupError."""
    if not config.signing.operator_domain:
        return ""
    try:
        return parse_domain(config.signing.operator_domain)
    except BadRequest as refusal:
        what = f'[signing] operator_domain = "{config.signing.operator_domain}" is not a domain'
        raise SetupError(what, do=refusal.hint) from None


def _field_name(text: str, key: str) -> bytes:
    name = text.encode("utf-8")
    if not _NAME.match(text):
        raise SetupError(f"[signing] {key}: {text!r} is not the name of a header field", do='"List-Id"')
    if name.lower() in _NEVER:
        raise SetupError(
            f"[signing] {key}: {text} cannot be signed",
            "it is changed, taken away or added to on the way, and every signature would fail",
            "leave it out",
        )
    return name
