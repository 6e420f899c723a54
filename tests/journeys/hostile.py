"""Hostile requests made from botocore's newest model: valid shapes first, then something wrong in one place.

Rule: the same seed gives the same requests. Every operation that is served is made from the model and the
routes, so that a new one needs no line here.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from mailseal.core.access import Principal
from mailseal.core.verification import expected_records
from mailseal.service.configure import get_identity
from mailseal.sesv2.operations import SERVED, Operation
from tests.fakes import pooled_key
from tests.unit.sesv2.rig import IDENTITIES, KEY_ID, Wire, signed
from tests.unit.sesv2.test_hostile_requests import planted
from tests.unit.sesv2.whole import Whole

MODEL = ServiceModel(Loader().load_service_model("sesv2", "service-2"))
DOMAIN = "example.com"
ACCOUNT = "000000000001"
OWN_KEY = base64.b64encode(pooled_key(0).to_pkcs8()).decode()
RAW = base64.b64encode(b"From: a@example.com\r\nTo: b@example.net\r\nSubject: s\r\n\r\nhello\r\n").decode()

TEXTS: dict[str, tuple[str, ...]] = {
    "EmailIdentity": (
        DOMAIN,
        DOMAIN,
        DOMAIN,
        "shop.example.com",
        "who@example.com",
        "new.example.com",
        "x.test",
    ),
    "ConfigurationSetName": ("set", "set", "none", "new-set"),
    "PolicyName": ("partner", "partner", "none"),
    "Policy": ('{"Version":"2012-10-17","Statement":[]}',),
    "DomainSigningPrivateKey": (OWN_KEY,),
    "DomainSigningSelector": ("s1", "another-1"),
    "FromEmailAddress": ("a@example.com", "A <a@example.com>", "x@nobody.example.net"),
    "MailFromDomain": ("bounce.example.com", "bounce.example.net"),
    "ResourceArn": (
        f"arn:aws:ses:us-east-1:{ACCOUNT}:identity/{DOMAIN}",
        f"arn:aws:ses:us-east-1:{ACCOUNT}:configuration-set/set",
        "arn:aws:ses:us-east-1:000000000002:identity/example.com",
    ),
    "ToAddresses": ("b@example.net",),
    "CcAddresses": ("c@example.net",),
    "BccAddresses": ("d@example.net",),
    "ReplyToAddresses": ("a@example.com",),
    "Name": ("X-A",),
    "ContentType": ("text/plain",),
}
NAMES = (
    "%00",
    "%2e%2e",
    "..",
    ".",
    "%2F",
    "a%2Fb",
    "%5c",
    "%ff",
    "%C0%AF",
    "%E2%80%AE",
    "%F0%9F%98%80",
    "%zz",
    "%",
    "%252e",
    "",
    "example.com.",
    "EXAMPLE.COM",
    "a@b@c",
    "xn--",
    "-",
    "%20",
    "%0d%0aX-A:b",
    "localhost",
    "127.0.0.1",
    "%5B::1%5D",
    "com",
    "a" * 300,
    "a%40" * 50,
    "*",
    "'--",
)
QUERIES = (
    "",
    "NextToken",
    "NextToken=%",
    "NextToken=%ff",
    "PageSize=-1",
    "PageSize=1&PageSize=2",
    "PageSize=99999999999999999999",
    "PageSize=%D9%A1",
    "TagKeys=a&TagKeys=a&TagKeys=",
    "ResourceArn=arn:aws:ses:us-east-1:x:identity/",
    "ResourceArn=" + "a" * 3000,
    "ResourceArn=arn%3Aaws%3Ases%3Aus-east-1%3A000000000001%3Aidentity%2Fexample.com",
    "=",
    "&&&",
    "a=b=c",
    "x=" + "%00" * 20,
)
NO_JSON: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda body, chance: body[: chance.randrange(len(body) + 1)],
    lambda body, chance: body + body,
    lambda body, chance: b"\xef\xbb\xbf" + body,
    lambda body, chance: body.replace(b'"', b"'"),
    lambda body, chance: body.decode().encode("utf-16"),
    lambda body, chance: b"[" * 5000 + body + b"]" * 5000,
    lambda body, chance: b'{"EmailIdentity":"a","EmailIdentity":"b"}',
    lambda body, chance: body.replace(b":", b":\xff", 1),
    lambda body, chance: chance.randbytes(chance.randrange(1, 400)),
    lambda body, chance: b'{"a":"\\ud800"}',
    lambda body, chance: b'{"a":1e999999}',
    lambda body, chance: b"<Request/>",
    lambda body, chance: b"x" * (1024 * 1024 + 1),
)


@dataclass(frozen=True)
class Made:
    """One request and where it is hostile."""

    wire: Wire
    how: str


def value_of(shape: Shape, name: str, chance: random.Random) -> Any:
    """Something that the model allows, most of it sensible."""
    match shape:
        case StructureShape():
            return {
                member: value_of(inner, member, chance)
                for member, inner in shape.members.items()
                if inner.serialization.get("location") is None
                and (member in shape.required_members or chance.random() < 0.5)
            }
        case ListShape():
            return [value_of(shape.member, name, chance) for _ in range(chance.choice([0, 1, 1, 2]))]
        case MapShape():
            return {value_of(shape.key, name, chance): value_of(shape.value, name, chance)}
        case StringShape() if shape.enum:
            return chance.choice(shape.enum)
        case StringShape():
            return chance.choice(TEXTS.get(name, ("x", "some text")))
    plain = {"boolean": True, "integer": 7, "long": 7, "double": 0.5, "float": 0.5, "timestamp": 1795449600}
    return RAW if shape.type_name == "blob" else plain[shape.type_name]


def uri_names(operation: Operation, chance: random.Random) -> list[str]:
    """Names for the labels of the operation's path, in their order."""
    uri = MODEL.operation_model(operation.value).http["requestUri"]
    labels = [part.split("}")[0] for part in uri.split("{")[1:]]
    return [quote(chance.choice(TEXTS[label]), safe="") for label in labels]


def query_of(operation: Operation, method: str, chance: random.Random) -> str:
    """A valid query of the operation, in its older GET form too."""
    shape = MODEL.operation_model(operation.value).input_shape
    pairs = []
    for member, inner in (shape.members if shape else {}).items():
        listed = (
            method == "GET" and operation.value.startswith("List") and member in ("NextToken", "PageSize")
        )
        if inner.serialization.get("location") == "querystring" or listed:
            value = value_of(inner, member, chance)
            values = value if isinstance(value, list) else [value]
            pairs += [f"{member}={quote(str(one), safe='')}" for one in values]
    return "&".join(pairs)


def made(operation: Operation, chance: random.Random) -> Made:
    """One request of the operation, hostile in its body's values, its bytes, its path or its query."""
    method, template = chance.choice([(row[0], row[1]) for row in SERVED if row[2] is operation])
    shape = MODEL.operation_model(operation.value).input_shape
    has_body = method in ("PUT", "POST")
    names, query = uri_names(operation, chance), query_of(operation, method, chance)
    value = value_of(shape, "", chance) if shape and has_body else {}
    how = chance.choices(["values", "bytes", "path", "query"], [12, 2, 3, 2] if has_body else [0, 2, 9, 9])[0]
    body = json.dumps(value).encode() if has_body else b""
    if how == "values":
        body = json.dumps(planted(value, chance)).encode()
    elif how == "bytes":
        body = chance.choice(NO_JSON)(body or b"{}", chance)
    elif how == "query" or not names:
        query = chance.choice(QUERIES) if chance.random() < 0.7 else query + "&" + chance.choice(QUERIES)
    else:
        names[chance.randrange(len(names))] = chance.choice(NAMES)
    path = template.replace("{}", "%s") % tuple(names)
    return Made(signed(method, path, body if has_body or how == "bytes" else None, query=query), how)


def valid(operation: Operation, chance: random.Random) -> Wire:
    """A request of the operation that says what it means."""
    method, template = next((row[0], row[1]) for row in SERVED if row[2] is operation)
    shape = MODEL.operation_model(operation.value).input_shape
    body = value_of(shape, "", chance) if shape and method in ("PUT", "POST") else None
    path = template.replace("{}", "%s") % tuple(uri_names(operation, chance))
    return signed(method, path, body, query=query_of(operation, method, chance))


MODELLED = {
    shape.name for name in MODEL.operation_names for shape in MODEL.operation_model(name).error_shapes
} | {
    "SerializationException",
    "UnknownOperationException",
    "RequestEntityTooLargeException",
    "InvalidSignatureException",
    "AccessDeniedException",
    "BadRequestException",
}
"""The errors of the model, and those that any operation of a rest-json service may answer."""


async def furnish(application: Whole) -> None:
    """Something of everything, so that a hostile request finds what it could harm."""
    application.dns.domains.add(DOMAIN)
    for method, path, body in (
        ("POST", IDENTITIES, {"EmailIdentity": DOMAIN, "Tags": [{"Key": "team", "Value": "a"}]}),
        ("POST", IDENTITIES, {"EmailIdentity": "shop.example.com"}),
        ("POST", IDENTITIES, {"EmailIdentity": "who@example.com"}),
        ("POST", "/v2/email/configuration-sets", {"ConfigurationSetName": "set"}),
        ("POST", f"{IDENTITIES}/{DOMAIN}/policies/partner", {"Policy": "{}"}),
    ):
        answer = await application.ask(signed(method, path, body))
        assert answer.status == 200, answer
    who = Principal(ACCOUNT, "us-east-1", KEY_ID)
    now = application.clock.now()
    identity = await get_identity(application.world, who, DOMAIN, now)
    for record in expected_records(identity, identity.newest, now, application.world.policy):
        application.dns.publish(record.owner, record.value)
    await application.work(0)
    await application.work(6)


def state_of(application: Whole) -> tuple[object, int]:
    """A number that is another one after anything was stored, and how many mails went out."""
    reading: Any = application.world.store
    version = reading._reading.execute("PRAGMA data_version").fetchall()[0][0]
    given: Any = application.world.next_hop
    return version, len(given.given)
