"""What each action answers, in XML, and the XML of errors.

Rule: pure; XML is written here and never read. Whatever XML 1.0 cannot hold becomes U+FFFD, so an answer is
well-formed whatever a caller's text was.
References: AWS SES API Reference (2010-12-01); botocore's model of `ses`; XML 1.0 §2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mailseal.core.lifecycle import DkimStatus
from mailseal.core.mailfrom import MxFailure
from mailseal.core.stored import IdentitySummary
from mailseal.service.standings import Standing
from mailseal.sesv1.errors import WireError

NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/"

Content = str | Sequence[tuple[str, "Content"]]
"""Text, or elements in order."""

STATUSES = {
    DkimStatus.NOT_STARTED: "NotStarted",
    DkimStatus.PENDING: "Pending",
    DkimStatus.SUCCESS: "Success",
    DkimStatus.FAILED: "Failed",
    DkimStatus.TEMPORARY_FAILURE: "TemporaryFailure",
}
MX_FAILURES = {"UseDefaultValue": MxFailure.USE_DEFAULT_VALUE, "RejectMessage": MxFailure.REJECT_MESSAGE}
_MX_FAILURE_WORDS = {meant: word for word, meant in MX_FAILURES.items()}

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A bare CR would be read as LF.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def element(name: str, content: Content) -> str:
    """One element of XML.

    >>> element("a", [("b", "1 < 2"), ("c", [])])
    '<a><b>1 &lt; 2</b><c></c></a>'
    """
    if isinstance(content, str):
        inner = _NOT_XML.sub("\ufffd", content).translate(_ESCAPES)
    else:
        inner = "".join(element(part, inside) for part, inside in content)
    return f"<{name}>{inner}</{name}>"


def response(action: str, result: bytes, request_id: str) -> bytes:
    """The whole answer of an action around its result."""
    metadata = element("ResponseMetadata", [("RequestId", request_id)]).encode()
    opening, closing = f'<{action}Response xmlns="{NAMESPACE}">', f"</{action}Response>"
    return opening.encode() + result + metadata + closing.encode()


def error_response(error: WireError, request_id: str) -> bytes:
    """The whole answer that tells of an error."""
    parts: list[tuple[str, Content]] = [
        ("Type", error.type),
        ("Code", error.code),
        ("Message", error.message),
    ]
    if error.hint:
        parts.append(("Hint", error.hint))
    inner = element("Error", parts) + element("RequestId", request_id)
    return f'<ErrorResponse xmlns="{NAMESPACE}">{inner}</ErrorResponse>'.encode()


def result(action: str, *parts: tuple[str, Content]) -> bytes:
    """The result of an action, which is there also where it is empty."""
    return element(f"{action}Result", parts).encode()


def members(texts: Iterable[str]) -> Content:
    """A list of texts."""
    return [("member", text) for text in texts]


def dkim_attributes(found: Sequence[Standing]) -> Content:
    """The DKIM attributes of identities, by their names."""
    return _entries((one.name, _dkim(one)) for one in found)


def verification_attributes(found: Sequence[Standing]) -> Content:
    """How far the proof of identities has come; a token only where there is a domain."""
    return _entries((one.name, _verification(one)) for one in found)


def mail_from_attributes(found: Sequence[Standing]) -> Content:
    """The MAIL FROM domains of identities; where none is set two members are left out, as in the API v2."""
    return _entries((one.name, _mail_from(one)) for one in found)


def send_quota() -> bytes:
    """The result of GetSendQuota, as GetAccount has it: nothing of ours limits how much is sent, and nothing
    counts it."""
    return result(
        "GetSendQuota", ("Max24HourSend", "-1.0"), ("MaxSendRate", "1000000.0"), ("SentLast24Hours", "0.0")
    )


def page(items: Sequence[IdentitySummary], next_token: str | None) -> list[tuple[str, Content]]:
    """A page of identities."""
    parts: list[tuple[str, Content]] = [("Identities", members(item.name for item in items))]
    if next_token is not None:
        parts.append(("NextToken", next_token))
    return parts


def _entries(values: Iterable[tuple[str, Content]]) -> Content:
    return [("entry", [("key", key), ("value", value)]) for key, value in values]


def _dkim(one: Standing) -> Content:
    parts: list[tuple[str, Content]] = [
        ("DkimEnabled", "true" if one.dkim.signing_enabled else "false"),
        ("DkimVerificationStatus", STATUSES[one.dkim.status]),
    ]
    if one.dkim.tokens:
        parts.append(("DkimTokens", members(one.dkim.tokens)))
    return parts


def _verification(one: Standing) -> Content:
    parts: list[tuple[str, Content]] = [("VerificationStatus", STATUSES[one.status])]
    if one.ownership_token is not None:
        parts.append(("VerificationToken", one.ownership_token))
    return parts


def _mail_from(one: Standing) -> Content:
    set_to = one.mail_from
    if set_to is None:
        return [("BehaviorOnMXFailure", _MX_FAILURE_WORDS[MxFailure.USE_DEFAULT_VALUE])]
    return [
        ("MailFromDomain", set_to.domain),
        ("MailFromDomainStatus", STATUSES[set_to.proof.status]),
        ("BehaviorOnMXFailure", _MX_FAILURE_WORDS[set_to.on_failure]),
    ]
