"""Transaction signatures: who signed a query, and our answers to it signed in turn.

Rule: a query whose signature is not good gets an answer that says so, and nothing else.
References: RFC 8945 §5.2 (checking), RFC 8945 §5.3 (answers), RFC 8945 §6 (algorithms).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG

from mailseal.nameserver.wire import Rcode, format_decline, last_record_at, skip_question

ALGORITHMS = ("hmac-sha256", "hmac-sha512")
_SIGN: Any = dns.tsig.sign
_TSIG: Any = TSIG
_BADSIG, _BADKEY, _BADTIME = 16, 17, 18
_FUDGE_S = 300
_COUNT = struct.Struct("!H")
_RECORD = struct.Struct("!HHIH")


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A secret shared with a server, by the name that both give it."""

    name: str
    algorithm: str
    secret: bytes = field(repr=False)

    def for_dnspython(self) -> dns.tsig.Key:
        """The same as dnspython takes it."""
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


@dataclass(slots=True)
class Signed:
    """A query whose signature is good: without it, and what is needed to sign the answers."""

    message: bytes
    key_name: str
    _key: dns.tsig.Key = field(repr=False)
    _request: TSIG
    _context: Any = None

    def sign(self, response: bytes) -> bytes:
        """The next message of the answer with its signature; each one counts those before it in."""
        said = self._request.replace(other=b"", error=0)
        request_mac = self._request.mac if self._context is None else None
        told, self._context = _SIGN(
            response, self._key, said, int(time.time()), request_mac, self._context, True
        )
        return _with_record(response, self._key.name, told)


def open_signed(message: bytes, keys: Mapping[str, TsigKey]) -> Signed | bytes | None:
    """The query that was signed; the response to a signature that is not good; None where there is none."""
    ring = {dns.name.from_text(key.name): key.for_dnspython() for key in keys.values()}
    try:
        parsed = dns.message.from_wire(message, keyring=ring)
    except dns.message.UnknownTSIGKey:
        return _refusal(message, _BADKEY)
    except (dns.tsig.BadKey, dns.tsig.BadAlgorithm):
        return _refusal(message, _BADKEY)
    except dns.tsig.BadTime:
        return _refusal(message, _BADTIME)
    except (dns.tsig.BadSignature, dns.tsig.PeerError):
        return _refusal(message, _BADSIG)
    except (dns.exception.DNSException, ValueError, struct.error):
        return format_decline(message, Rcode.FORMERR)
    if parsed.tsig is None or not isinstance(parsed.keyring, dns.tsig.Key):
        return None
    name = parsed.tsig.name.to_text(omit_final_dot=True).lower()
    request = parsed.tsig[0]
    assert isinstance(request, TSIG)
    (additional,) = _COUNT.unpack_from(message, 10)
    plain = message[:10] + _COUNT.pack(additional - 1) + message[12 : last_record_at(message)]
    return Signed(plain, name, parsed.keyring, request)


def _refusal(message: bytes, error: int) -> bytes:
    """NOTAUTH with the error in an unsigned TSIG record."""
    bare = format_decline(message, Rcode.NOTAUTH)
    at = skip_question(message)
    if at is None:
        return bare
    bare = bare[:4] + _COUNT.pack(1) + bare[6:] + message[12:at]
    said = _TSIG(
        dns.rdataclass.ANY,
        dns.rdatatype.TSIG,
        dns.name.from_text(ALGORITHMS[0]),
        int(time.time()),
        _FUDGE_S,
        b"",
        int.from_bytes(message[:2]),
        error,
        b"",
    )
    return _with_record(bare, dns.name.root, said)


def _with_record(message: bytes, owner: dns.name.Name, said: TSIG) -> bytes:
    (additional,) = _COUNT.unpack_from(message, 10)
    return message[:10] + _COUNT.pack(additional + 1) + message[12:] + _record(owner, said)


def _record(owner: dns.name.Name, said: TSIG) -> bytes:
    rdata = said.to_wire()
    wire = owner.to_wire()
    assert rdata is not None
    assert wire is not None
    return wire + _RECORD.pack(dns.rdatatype.TSIG, dns.rdataclass.ANY, 0, len(rdata)) + rdata
