"""The signature vectors of AWS, against the pure canonicalizer."""

from __future__ import annotations

import re

import pytest

from mailseal.sesv2 import sigv4
from tests.vectors.sigv4_suite import SECRET, SKIPPED_BY_BOTOCORE, Case, cases

# The first run of all fetches botocore's source distribution.
pytestmark = pytest.mark.timeout(180)
# The names of botocore 1.44's copy of the suite; the test below finds out when they change.
_NAMES = """
get-header-key-duplicate get-header-value-multiline get-header-value-order get-header-value-trim
get-unreserved get-utf8 get-vanilla get-vanilla-empty-query-key get-vanilla-query
get-vanilla-query-order-encoded get-vanilla-query-order-key get-vanilla-query-order-key-case
get-vanilla-query-order-value get-vanilla-query-unreserved get-vanilla-utf8-query
get-vanilla-with-session-token normalize-path/get-relative normalize-path/get-relative-relative
normalize-path/get-slash normalize-path/get-slash-dot-slash normalize-path/get-slash-pointless-dot
normalize-path/get-slashes normalize-path/get-space normalize-path/get-special-character
post-header-key-case post-header-key-sort
post-header-value-case post-sts-token/post-sts-header-after post-sts-token/post-sts-header-before
post-vanilla post-vanilla-empty-query-value post-vanilla-query post-x-www-form-urlencoded
post-x-www-form-urlencoded-parameters
"""
NAMES = _NAMES.split()
AUTHORIZATION = re.compile(
    rb"Credential=AKIDEXAMPLE/(\d+)/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), "
)


def parsed(case: Case) -> tuple[sigv4.Target, sigv4.Headers, bytes]:
    """The case's request cut into target, headers and body, folded lines joined."""
    head, _, body = case.request.partition(b"\n\n")
    line, *fields = re.sub(rb"\n[ \t]+", b" ", head).split(b"\n")
    method, _, rest = line.partition(b" ")
    path, _, query = rest.removesuffix(b" HTTP/1.1").partition(b"?")
    pairs = [field.partition(b":") for field in fields if field]
    return (
        sigv4.Target(method.decode(), path, query),
        [(name.lower(), value) for name, _, value in pairs],
        body,
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_canonicalizer_gives_what_the_suite_says(name: str) -> None:
    case = cases()[name]
    target, headers, body = parsed(case)
    found = AUTHORIZATION.search(case.authorization)
    assert found is not None
    date, region, service, names = (group.decode() for group in found.groups())
    signed = tuple(names.encode().split(b";"))
    if b"x-amz-security-token" in signed and b"x-amz-security-token" not in dict(headers):
        token = re.search(rb"^x-amz-security-token:(.*)$", case.canonical, re.MULTILINE)
        assert token is not None
        headers.append((b"x-amz-security-token", token[1]))
    payload_hash = case.canonical.rpartition(b"\n")[2].decode()
    canonical = sigv4.canonical_request(target, headers, signed, payload_hash)
    assert canonical == case.canonical
    signature = case.authorization.rpartition(b"=")[2].strip().decode()
    time = dict(headers)[b"x-amz-date"].strip().decode()
    claim = sigv4.Claim("AKIDEXAMPLE", date, region, service, signed, signature, time, None)
    assert sigv4.string_to_sign(claim, canonical) == case.string_to_sign
    key = sigv4.derive_key(SECRET, date, region, service)
    assert sigv4.proves(claim, target, headers, payload_hash, key)
    assert not sigv4.proves(
        claim, target, headers, payload_hash, sigv4.derive_key("x", date, region, service)
    )
    assert body is not None


def test_all_thirty_that_botocore_runs_are_among_them() -> None:
    assert set(NAMES) == set(cases())
    assert len(set(NAMES) - SKIPPED_BY_BOTOCORE) == 30
