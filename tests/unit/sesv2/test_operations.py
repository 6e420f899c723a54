"""Paths: which operation, whose identity, and what is not one path but two."""

from __future__ import annotations

import re
from itertools import product

import pytest
from botocore.loaders import Loader

from mailseal.core.errors import BadRequest
from mailseal.sesv2.errors import UnknownOperation
from mailseal.sesv2.operations import MESSAGE_BODY, SERVED, SMALL_BODY, Operation, route
from mailseal.sesv2.unserved import UNSERVED
from tests.unit.sesv2.rig import IDENTITIES, Rig, signed

MODEL = Loader().load_service_model("sesv2", "service-2")["operations"]
LABEL = re.compile(r"\{[^}]*\}")


@pytest.mark.parametrize("name", sorted(MODEL))
def test_every_operation_of_the_newest_model_is_known_by_its_path(name: str) -> None:
    http = MODEL[name]["http"]
    path = LABEL.sub("example.com", http["requestUri"]).encode()
    if name in set(Operation):
        assert route(http["method"], path).operation == name
    else:
        with pytest.raises(BadRequest, match=f"^Mailseal does not serve {name}[.]$"):
            route(http["method"], path)


def test_no_operation_is_listed_that_the_model_does_not_have() -> None:
    assert {name for _, _, name in UNSERVED} | set(Operation) == set(MODEL)


def test_older_clients_find_their_paths() -> None:
    signing = route("PUT", b"/v1/email/identities/example.com/dkim/signing")
    assert signing == route("PUT", b"/v2/email/identities/example.com/dkim/signing")
    assert route("GET", b"/v2/email/identities").operation is Operation.LIST_EMAIL_IDENTITIES


def test_only_a_message_may_be_large() -> None:
    limits = {
        name: route(method, path.replace("{}", "x").encode()).body_limit for method, path, name in SERVED
    }
    assert limits.pop(Operation.SEND_EMAIL) == MESSAGE_BODY == 56 * 2**20
    assert set(limits.values()) == {SMALL_BODY} == {2**20}


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (b"example.com", "example.com"),
        (b"EXAMPLE.com", "EXAMPLE.com"),
        (b"user%40example.com", "user@example.com"),
        (b"user@example.com", "user@example.com"),
        (b"user%2Bx%40example.com", "user+x@example.com"),
        (b"user+x@example.com", "user+x@example.com"),
        (b"user%252Bx", "user%2Bx"),
        (b"%C3%A9.example", "é.example"),
        (b"%65xample.com", "example.com"),
        (b"a%20b", "a b"),
        (b"example.com.", "example.com."),
        (b"a;b=c", "a;b=c"),
        (b"...", "..."),
    ],
)
def test_a_name_is_decoded_exactly_once(encoded: bytes, name: str) -> None:
    assert route("GET", IDENTITIES.encode() + b"/" + encoded).identity == name


BAD_NAMES = {
    "encoded slash": [b"a%2Fb", b"%2f", b"%2Fetc", b"a%2F..%2Fb", b"a%5Cb", b"a\\b"],
    "control": [b"a%00", b"%00", b"a%0Ab", b"a%0d%0aX", b"%7f", b"%1b[0m"],
    "dots": [b".", b"..", b"%2e", b"%2E%2e", b".%2e"],
    "overlong or broken UTF-8": [
        b"%c0%ae",
        b"%c0%af",
        b"%e0%80%af",
        b"%ff",
        b"%ed%a0%80",
        b"%f5%80%80%80",
        b"%c3",
    ],
    "broken escapes": [b"%", b"%4", b"%zz", b"a%4", b"%u0041", b"\xc3\xa9", b"\xff"],
    "nothing": [b""],
}


@pytest.mark.parametrize("kind", BAD_NAMES)
@pytest.mark.parametrize(
    ("method", "tail"), [("GET", b""), ("DELETE", b""), ("PUT", b"/dkim"), ("PUT", b"/dkim/signing")]
)
def test_a_name_that_could_be_read_in_two_ways_is_refused(kind: str, method: str, tail: bytes) -> None:
    for name in BAD_NAMES[kind]:
        with pytest.raises(BadRequest):
            route(method, b"/v2/email/identities/" + name + tail)


def test_paths_around_the_true_ones_never_reach_another_operation() -> None:
    edges = [
        b"",
        b"/",
        b"//",
        b"/.",
        b"/..",
        b"/%2e%2e",
        b"%2F",
        b"/x",
        b";x",
        b"%00",
        b"/dkim%2Fsigning",
        b"/DKIM",
    ]
    heads = [b"", b"/", b"//", b"/v2/..", b"/x", b"/%2e", b"/V2", b"/v3", b"*"]
    count = 0
    for head, edge, method in product(heads, edges, ["GET", "PUT", "DELETE"]):
        path = head + b"/v2/email/identities/example.com" + edge
        if (head, edge) == (b"", b""):
            continue
        count += 1
        try:
            found = route(method, path)
        except (BadRequest, UnknownOperation):
            continue
        # What is left routes to the operations on one name, and that name is all of the segment.
        assert head == b""
        assert found.identity is not None
        assert found.identity.encode() == b"example.com" + edge
    assert count > 300


@pytest.mark.parametrize(
    "path", [b"", b"/", b"*", b"/v2", b"/v2/email", b"/favicon.ico", b"/v2/email/identities/a/b"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD", "BREW"])
def test_an_unknown_path_is_a_modelled_error(method: str, path: bytes) -> None:
    with pytest.raises((UnknownOperation, BadRequest)):
        route(method, path)


def test_an_unknown_operation_is_answered_in_json() -> None:
    answer = Rig().ask(signed("GET", "/nothing/here"))
    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.json["message"]
