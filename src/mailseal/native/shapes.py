"""What the objects of the native API look like, for its OpenAPI document.

Rule: types alone: nothing is made or checked with them here, and a test holds real answers against them.
Members are only ever added; what is not known is null.
References: docs/api.md; RFC 3339 §5.6.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

Stamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Status = Literal["NOT_STARTED", "PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE"]
Kind = Literal["DOMAIN", "EMAIL_ADDRESS"]


class Place(TypedDict):
    """Which identity it is, and whose."""

    identity: str
    account: str
    region: str


class Summary(TypedDict):
    """One row of a list of identities."""

    identity: str
    status: Status
    may_send: bool
    kind: Kind


class IdentityPage(TypedDict):
    """A page of identities; `next` is null on the last one."""

    items: list[Summary]
    next: str | None


class Event(TypedDict):
    """One line of a timeline."""

    at: Stamp
    kind: str
    text: str


class Timeline(TypedDict):
    """Events of an identity, newest first."""

    identity: str
    items: list[Event]
    next: str | None


class Tag(TypedDict):
    """A tag of an identity."""

    key: str
    value: str


class Key(TypedDict):
    """A public key: its length, and the beginning of its digest."""

    bits: int
    fingerprint: str


class Slot(TypedDict):
    """A place for a key, with its token and the name in our zone."""

    slot: int
    token: str
    name: str
    state: Literal["active", "next", "previous", "blank"]
    key: Key | None
    published: bool
    published_since: Stamp | None
    published_until: Stamp | None
    seen_at: Stamp | None
    ready_at: Stamp | None
    waits_for_servers: list[str] | None


class Setting(TypedDict):
    """One setting of how an identity signs, and how far its proof has come."""

    origin: str
    selector: str | None
    key: Key | None
    bits: int
    status: Status
    since: Stamp
    signs: bool
    checked_at: Stamp | None
    last_success_at: Stamp | None


class MailFrom(TypedDict):
    """The MAIL FROM domain of an identity."""

    domain: str
    status: Status
    on_failure: str
    checked_at: Stamp | None
    error_type: str | None


class _Beside(TypedDict):
    tags: list[Tag]
    configuration_set: str | None
    feedback_forwarding: bool
    mail_from: MailFrom | None
    policies: list[str]
    now: Stamp
    events: list[Event]


class SignedWith(TypedDict):
    """With which key mail is signed."""

    slot: int | None
    selector: str
    bits: int
    ed25519_selector: str | None


class SecondSignature(TypedDict):
    """How it stands with the Ed25519 signature."""

    said: bool | None
    wanted: bool
    seen: bool
    new_key_wanted: bool
    slots: list[Slot]


class Domain(Place, _Beside):
    """A domain as an identity."""

    kind: Literal["DOMAIN"]
    created_at: Stamp
    dkim_status: Status
    verification_status: Status
    may_send: bool
    signing_enabled: bool
    signed_with: SignedWith | None
    origin: str
    selector: str | None
    key: Key | None
    bits: int
    hosted_zone: str | None
    last_key_at: Stamp | None
    length_changed_at: Stamp | None
    checked_at: Stamp | None
    next_check_at: Stamp | None
    search_ends_at: Stamp | None
    new_key_wanted: bool
    rotate_days: int
    rotation_due_at: Stamp | None
    error_type: str | None
    cache_window: dict[str, Any] | None
    settings: list[Setting]
    slots: list[Slot]
    ed25519: SecondSignature


class Address(Place, _Beside):
    """An e-mail address as an identity."""

    kind: Literal["EMAIL_ADDRESS"]
    created_at: Stamp
    verification_status: Status
    may_send: bool
    proven_at: Stamp | None
    link_asked_at: Stamp
    link_ends_at: Stamp | None
    mail_due_at: Stamp | None
    mails_tried: int
    domain: str | None
    signing_enabled: bool
    signing_override: bool | None


AnyIdentity = (Domain, Address)


class Deleted(TypedDict):
    """What is gone."""

    identity: str
    deleted: bool


class Record(TypedDict):
    """A record that the domain's owner has to publish; names without the final dot."""

    slot: int | None
    name: str
    type: Literal["CNAME", "TXT", "MX"]
    value: str
    ttl: int


class Records(Place):
    """The records of an identity, and the zone they go into."""

    dkim_status: Status
    zone: str
    records: list[Record]


class RecordsPage(TypedDict):
    """Records of an account's domains; `next` is null on the last page."""

    items: list[Records]
    next: str | None


class Counted(TypedDict):
    """How many were asked, and how many of them had the record."""

    asked: int
    matching: int


class Found(TypedDict):
    """What a check found of one record."""

    slot: int | None
    name: str
    type: str
    value: str
    finding: str
    diagnosis: str | None
    advice: str | None
    authorities: Counted
    resolvers: Counted
    seen: list[dict[str, Any]]


class Diagnosis(TypedDict):
    """A mistake by its name, with the next step."""

    code: str
    severity: Literal["FAULT", "WAIT", "WARNING", "OURS"]
    name: str
    sentence: str
    seen: list[str]
    expected: str
    write: str
    detail: str
    provider: str
    habit: str
    step: str


class Diagnosed(Place):
    """What the last check came to."""

    dkim_status: Status
    checked_at: Stamp | None
    error_type: str | None
    diagnoses: list[Diagnosis]


class Check(Diagnosed):
    """The last check: who was asked what, and what came back."""

    search_ends_at: Stamp | None
    origin: str
    selector: str | None
    key: Key | None
    bits: int
    evidence: str | None
    zone: str | None
    not_asked: str
    records: list[Found]
    ed25519_records: list[Found]
    mail_from_records: list[Found]
    probes: list[dict[str, Any]]
    earlier: list[dict[str, Any]]


class ShareLink(TypedDict):
    """A link that shows an identity's records to whoever runs its DNS."""

    identity: str
    link_id: str
    url: str
    created_at: Stamp
    expires_at: Stamp


class ShareLinkPage(TypedDict):
    """The links of an identity that have not ended."""

    identity: str
    items: list[ShareLink]
    next: str | None


class RevokedLink(TypedDict):
    """The link that was taken back."""

    identity: str
    link_id: str
    revoked: bool


class Installation(TypedDict):
    """How the installation stands."""

    version: str
    hosted_zone: str
    serial: int
    regions: list[str]
    account: str
    identities: dict[str, int]
    stock: dict[str, int]
    stock_target: dict[str, int]
    now: Stamp


class Health(TypedDict):
    """One thing that the doctor looked at."""

    name: str
    result: Literal["ok", "warning", "fault", "not_asked"]
    seen: str
    advice: NotRequired[str]
    records: NotRequired[list[dict[str, str]]]


class Examination(TypedDict):
    """All that the doctor looked at."""

    version: str
    checked_at: Stamp
    faults: int
    warnings: int
    checks: list[Health]


class Server(TypedDict):
    """How far one of the servers that carry a zone has followed."""

    server: str
    following: str
    serial: int | None
    behind: int | None
    answers: bool
    seen_at: Stamp | None
    text: str


class Zone(TypedDict):
    """One of our zones, with its servers."""

    zone: str
    serial: int
    servers: list[Server]


class ZoneList(TypedDict):
    """All of our zones."""

    items: list[Zone]
    next: str | None
    now: Stamp


class MasterKey(TypedDict):
    """Which master key seals, and what has not moved to it yet."""

    master_key: str
    where: str
    moving_from: str | None
    moved: int
    left: int
    broken: list[str]


class Signed(TypedDict):
    """The DKIM-Signature fields for the top of a message."""

    fields: str


class Told(TypedDict):
    """Why there is no other answer."""

    kind: Literal["refused", "fault"]
    code: str
    message: str
    hint: NotRequired[str]
    request_id: str


class Error(TypedDict):
    """An error answer."""

    error: Told
