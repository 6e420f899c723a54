"""AWS Signature Version 4 in its header form, seen from the side that checks it.

Rule: pure; one way in. Credentials in the query string, every payload mode but a plain SHA-256 of the body,
and an unsigned `host` or `x-amz-*` header are refused. Which key signed is not told apart from whether it
signed right: that is `service.admit`'s to judge, with `proves` of this module.
References: AWS's description "Create a signed AWS API request"; the vectors that botocore runs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from mailseal.core.errors import (
    IncompleteSignature,
    MissingAuthenticationToken,
    RequestExpired,
    SignatureDoesNotMatch,
)

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "ses"
GOOD_FOR = timedelta(minutes=5)
EMPTY_HASH = hashlib.sha256(b"").hexdigest()

Headers = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them: names in lower case, in the order received."""

_KEY_ID = re.compile(r"[A-Za-z0-9_.+=@-]{1,128}\Z")
_DATE = re.compile(r"[0-9]{8}\Z")
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
_REGION = re.compile(r"[a-z0-9-]{1,64}\Z")
_HEX256 = re.compile(r"[0-9a-f]{64}\Z")
_SIGNED_HEADERS = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+(?:;[!#$%&'*+.^_`|~0-9a-z-]+)*\Z")
# What every SDK writes, in one look; whatever does not fit is taken apart and told what it lacks.
_USUAL = re.compile(
    rb"AWS4-HMAC-SHA256 Credential=([A-Za-z0-9_.+=@-]{1,128})/([0-9]{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})"
    rb"/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})\Z"
)
_UNRESERVED_PATH = re.compile(rb"[A-Za-z0-9/_.~-]*\Z")
_QUERY_CREDENTIALS = frozenset(
    {b"x-amz-algorithm", b"x-amz-credential", b"x-amz-signature", b"x-amz-security-token", b"awsaccesskeyid"}
)
_CLOCK = "A signed request is good for 5 minutes: set the clock; this answer's Date header is right."
_ONCE = (b"authorization", b"host", b"x-amz-date", b"x-amz-content-sha256")
_FORM = f"Authorization header must be of the form: {ALGORITHM} Credential=…, SignedHeaders=…, Signature=…"


@dataclass(frozen=True, slots=True)
class Target:
    """The request line as it was received: nothing decoded."""

    method: str
    raw_path: bytes
    query: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about who signed it; nothing of it is proven."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[bytes, ...]
    signature: str
    time: str
    payload_hash: str | None


def parse_claim(headers: Headers, query: bytes) -> Claim:
    """The claim in the Authorization header and its `x-amz-*` neighbours; raises a NotAuthenticated."""
    found = _once_each(headers)
    if _has_query_credentials(query):
        raise IncompleteSignature("Credentials in the query string are not accepted: use the header.")
    if b"authorization" not in found:
        raise MissingAuthenticationToken("Missing Authentication Token")
    key_id, date, region, service, names, signature = _authorization(found[b"authorization"])
    signed = _signed_headers(names, headers)
    time = _ascii(found.get(b"x-amz-date", b""))
    if not _TIME.match(time):
        raise IncompleteSignature("Authorization header requires an 'X-Amz-Date' header: 20261123T140502Z.")
    if time[:8] != date:
        raise SignatureDoesNotMatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{time[:8]}', from '{time}'."
        )
    payload_hash = _payload_hash(found.get(b"x-amz-content-sha256"))
    return Claim(key_id, date, region, service, signed, signature, time, payload_hash)


def check_service(claim: Claim) -> None:
    """Raises SignatureDoesNotMatch unless the credential is scoped to SES."""
    if claim.service != SERVICE:
        raise SignatureDoesNotMatch(f"Credential should be scoped to correct service: '{SERVICE}'. ")


def check_time(claim: Claim, now: datetime) -> None:
    """Raises RequestExpired unless the request was signed within five minutes of `now`."""
    signed_at, present = _time(claim.time), now.replace(microsecond=0)
    if signed_at < present - GOOD_FOR:
        edge = _basic(present - GOOD_FOR)
        text = f"Signature expired: {claim.time} is now earlier than {edge} ({_basic(present)} - 5 min.)"
        raise RequestExpired(text, hint=_CLOCK)
    if signed_at > present + GOOD_FOR:
        edge = _basic(present + GOOD_FOR)
        text = f"Signature not yet current: {claim.time} is still later than {edge}"
        raise RequestExpired(f"{text} ({_basic(present)} + 5 min.)", hint=_CLOCK)


def canonical_request(
    target: Target, headers: Headers, signed: tuple[bytes, ...], payload_hash: str
) -> bytes:
    """The canonical request of AWS SigV4, for every service but S3."""
    wanted: dict[bytes, list[bytes]] = {name: [] for name in signed}
    for name, value in headers:
        if name in wanted:
            wanted[name].append(b" ".join(value.split()))
    lines = [
        target.method.encode(),
        canonical_path(target.raw_path),
        canonical_query(target.query),
        *[name + b":" + b",".join(values) for name, values in wanted.items()],
        b"",
        b";".join(signed),
        payload_hash.encode(),
    ]
    return b"\n".join(lines)


def canonical_path(raw_path: bytes) -> bytes:
    """The path without dot and empty segments, percent-encoded once more (`%40` becomes `%2540`)."""
    path = raw_path or b"/"
    if b"//" in path or b"/." in path:
        path = _without_dot_segments(path)
    if _UNRESERVED_PATH.match(path):
        return path
    return quote(path, safe="/~").encode()


def canonical_query(query: bytes) -> bytes:
    """The query's parameters decoded, encoded in the one way AWS has, and sorted by name, then value."""
    if not query:
        return b""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


def string_to_sign(claim: Claim, canonical: bytes) -> bytes:
    """What the derived key signs: algorithm, time, credential scope and the canonical request's hash."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    return f"{ALGORITHM}\n{claim.time}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}".encode()


def derive_key(secret: str, date: str, region: str, service: str = SERVICE) -> bytes:
    """The derived key of one secret for one day, region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def proves(claim: Claim, target: Target, headers: Headers, payload_hash: str, derived_key: bytes) -> bool:
    """Whether the signature is the one that this key gives this request; takes the same time either way."""
    canonical = canonical_request(target, headers, claim.signed_headers, payload_hash)
    expected = hmac.digest(derived_key, string_to_sign(claim, canonical), "sha256").hex()
    declared = claim.payload_hash is None or claim.payload_hash == payload_hash
    return hmac.compare_digest(expected, claim.signature) and declared


class DerivedKeys:
    """The derived keys of late, least recently used out first; four HMACs saved a request."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    def derived(self, secret: str, date: str, region: str) -> bytes:
        """The derived key, made anew when it is not at hand."""
        place = (secret, date, region)
        key = self._keys.get(place)
        if key is None:
            key = self._keys[place] = derive_key(secret, date, region)
            if len(self._keys) > self._capacity:
                self._keys.popitem(last=False)
        else:
            self._keys.move_to_end(place)
        return key


def _once_each(headers: Headers) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in found:
                raise IncompleteSignature(f"The header '{name.decode()}' occurs more than once.")
            found[name] = value
    return found


def _has_query_credentials(query: bytes) -> bool:
    if not query:
        return False
    names = (part.partition(b"=")[0] for part in query.split(b"&"))
    return any(unquote_to_bytes(name).lower() in _QUERY_CREDENTIALS for name in names)


def _authorization(value: bytes) -> tuple[str, str, str, str, bytes, str]:
    """(key id, date, region, service, SignedHeaders, signature) of an Authorization header."""
    usual = _USUAL.match(value)
    if usual is not None:
        key_id, date, region, service, names, signature = usual.groups()
        return key_id.decode(), date.decode(), region.decode(), service.decode(), names, signature.decode()
    parts = _authorization_parts(value)
    if not _HEX256.match(parts["Signature"]):
        raise IncompleteSignature(_FORM)
    return *_scope(parts["Credential"]), parts["SignedHeaders"].encode(), parts["Signature"]


def _authorization_parts(value: bytes) -> dict[str, str]:
    algorithm, _, rest = _ascii(value).strip(" \t").partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"The signature must be {ALGORITHM} in the Authorization header.")
    parts: dict[str, str] = {}
    for piece in rest.split(","):
        name, _, content = piece.strip(" ").partition("=")
        if name in parts or name not in ("Credential", "SignedHeaders", "Signature"):
            raise IncompleteSignature(_FORM)
        parts[name] = content
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        texts = [f"Authorization header requires '{name}' parameter." for name in missing]
        raise IncompleteSignature(" ".join(texts))
    return parts


def _scope(credential: str) -> tuple[str, str, str, str]:
    pieces = credential.split("/")
    if len(pieces) != 5 or pieces[4] != "aws4_request":
        raise IncompleteSignature("Credential must have 5 elements between slashes, 'aws4_request' the last.")
    key_id, date, region, service, _ = pieces
    if not (_KEY_ID.match(key_id) and _DATE.match(date) and _REGION.match(region) and _REGION.match(service)):
        raise IncompleteSignature("Credential must be keyid/yyyymmdd/region/service/aws4_request.")
    return key_id, date, region, service


def _signed_headers(text: bytes, headers: Headers) -> tuple[bytes, ...]:
    names = text.split(b";")
    if not _SIGNED_HEADERS.match(text) or names != sorted(set(names)):
        raise IncompleteSignature("SignedHeaders must be lower-case names in order, each once, between ';'.")
    unsigned = {b"host"}.difference(names)
    present = set()
    for name, _ in headers:
        present.add(name)
        if name.startswith(b"x-amz-") and name not in names:
            unsigned.add(name)
    for name in sorted(unsigned):
        raise IncompleteSignature(
            f"'{name.decode('latin-1')}' must be a 'SignedHeader' in the AWS Authorization."
        )
    if not present.issuperset(names):
        raise SignatureDoesNotMatch("A header of SignedHeaders is not in the request.")
    return tuple(names)


def _payload_hash(value: bytes | None) -> str | None:
    if value is None:
        return None
    text = _ascii(value).strip(" \t")
    if not _HEX256.match(text):
        raise IncompleteSignature(
            "x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal: "
            "unsigned and streamed payloads are not accepted."
        )
    return text


def _ascii(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise IncompleteSignature(_FORM) from None


def _time(text: str) -> datetime:
    year, month, day, hour = int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[9:11])
    try:
        return datetime(year, month, day, hour, int(text[11:13]), int(text[13:15]), tzinfo=UTC)
    except ValueError:
        raise IncompleteSignature(f"'{text}' is not a time.") from None


def _basic(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _encoded(part: bytes) -> str:
    return quote(unquote_to_bytes(part), safe="-_.~")


def _without_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    tail = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + tail
