"""What a refusal or a fault looks like on the wire of the query API: a code, a status, a sentence in XML.

Rule: pure. AWS's sentence stays to the byte where programs match it: a hint follows it only where the code is
InvalidParameterValue or ValidationError, elsewhere it is the element `Hint` beside it.
References: AWS SES API Reference (2010-12-01), "Common Errors"; botocore's model of `ses`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailseal.core import errors as core
from mailseal.sesv2.errors import BodyTooLarge, SerializationFailed


class MalformedQueryString(core.Refusal):
    """The parameters cannot be read."""


class MalformedInput(core.Refusal):
    """A parameter has not the kind that the action's input says."""


class ValidationFailed(core.Refusal):
    """A parameter breaks a constraint of the action's input."""


class MissingAction(core.Refusal):
    """The request names no action."""


class InvalidAction(core.Refusal):
    """The action does not exist, or is not served."""


class ConfigurationSetDoesNotExist(core.Refusal):
    """The configuration set that a message names does not exist."""


@dataclass(frozen=True, slots=True)
class WireError:
    """An error answer: HTTP status, code, whose fault it was, the sentence, and what to do where that stands
    apart."""

    status: int
    code: str
    message: str
    hint: str = ""

    @property
    def type(self) -> str:
        """Who has to change something: the sender of the request, or its receiver."""
        return "Sender" if self.status < 500 else "Receiver"


# Looked up along the class's own line of descent, so a new Refusal is at worst an InvalidParameterValue.
# The codes of declared errors are those of botocore's model; the others are the query protocol's own.
_CODES: dict[type[core.Refusal], tuple[int, str]] = {
    core.Refusal: (400, "InvalidParameterValue"),
    core.AlreadyExists: (400, "AlreadyExists"),
    core.LimitExceeded: (400, "LimitExceeded"),
    core.TooManyRequests: (400, "Throttling"),
    core.ConcurrentModification: (503, "ServiceUnavailable"),
    core.MessageRejected: (400, "MessageRejected"),
    core.MailFromDomainNotVerified: (400, "MailFromDomainNotVerifiedException"),
    core.SendingPaused: (400, "ConfigurationSetSendingPausedException"),
    core.Unavailable: (503, "ServiceUnavailable"),
    core.NotAuthenticated: (403, "SignatureDoesNotMatch"),
    core.MissingAuthenticationToken: (403, "MissingAuthenticationToken"),
    core.IncompleteSignature: (403, "IncompleteSignature"),
    core.AccessDenied: (403, "AccessDenied"),
    SerializationFailed: (400, "MalformedInput"),
    BodyTooLarge: (413, "RequestEntityTooLarge"),
    MalformedQueryString: (400, "MalformedQueryString"),
    MalformedInput: (400, "MalformedInput"),
    ValidationFailed: (400, "ValidationError"),
    MissingAction: (400, "MissingAction"),
    InvalidAction: (400, "InvalidAction"),
    ConfigurationSetDoesNotExist: (400, "ConfigurationSetDoesNotExist"),
}
_ONE_SENTENCE = frozenset({"InvalidParameterValue", "ValidationError"})


def wire_error(refusal: core.Refusal) -> WireError:
    """The answer that tells a client of this refusal."""
    status, code = next(_CODES[kind] for kind in type(refusal).__mro__ if kind in _CODES)
    if refusal.hint and code in _ONE_SENTENCE:
        return WireError(status, code, f"{refusal.message} {refusal.hint}")
    return WireError(status, code, refusal.message, refusal.hint)


def wire_fault() -> WireError:
    """The answer to a fault: nothing but that it was ours; the log has the rest under the request id."""
    return WireError(500, "InternalFailure", "The service failed at this request.")
