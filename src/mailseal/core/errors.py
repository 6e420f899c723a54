"""The refusals: requests that were understood and declined.

Rule: a `Refusal` is raised only from core and service; each subclass is named like AWS's error without
"Exception". Whatever is not a Refusal is a fault and is shown to nobody in detail.

    Refusal
    ├── BadRequest                the input is not acceptable, nothing was changed
    ├── NotFound                  the named thing does not exist in this account and region
    ├── AlreadyExists             it exists already
    ├── LimitExceeded             a limit of the account is reached
    ├── TooManyRequests           asked too often, or the row kept changing under the request
    ├── ConcurrentModification    two changes at the same instant; the other one won
    ├── MessageRejected           a message that may not or cannot be sent
    ├── MailFromDomainNotVerified its owner wants no mail without the MAIL FROM domain
    ├── SendingPaused             sending is switched off for its configuration set
    ├── Unavailable               a neighbour does not answer; the same request may succeed later
    └── NotAuthenticated          who is asking could not be established
        ├── MissingAuthenticationToken
        ├── IncompleteSignature
        ├── InvalidClientTokenId
        ├── SignatureDoesNotMatch
        ├── RequestExpired
        └── AccessDenied
"""

from __future__ import annotations


class Refusal(Exception):
    """A request understood and declined.

    `message` is AWS's own sentence where it is known; `hint` says what to do and is kept apart from it,
    because programs match AWS's sentences to the byte.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadRequest(Refusal):
    """AWS SESv2 BadRequestException."""


class NotFound(Refusal):
    """AWS SESv2 NotFoundException."""


class AlreadyExists(Refusal):
    """AWS SESv2 AlreadyExistsException."""


class LimitExceeded(Refusal):
    """AWS SESv2 LimitExceededException."""


class TooManyRequests(Refusal):
    """AWS SESv2 TooManyRequestsException."""


class ConcurrentModification(Refusal):
    """AWS SESv2 ConcurrentModificationException."""


class MessageRejected(Refusal):
    """AWS SESv2 MessageRejected."""


class MailFromDomainNotVerified(Refusal):
    """AWS SESv2 MailFromDomainNotVerifiedException."""


class SendingPaused(Refusal):
    """AWS SESv2 SendingPausedException."""


class Unavailable(Refusal):
    """A neighbour (the next hop, the database) does not answer; the same request may succeed later."""


class NotAuthenticated(Refusal):
    """Who is asking could not be established."""


class MissingAuthenticationToken(NotAuthenticated):
    """The request carries no signature at all."""


class IncompleteSignature(NotAuthenticated):
    """The Authorization header lacks a part or is not of the form."""


class InvalidClientTokenId(NotAuthenticated):
    """No such access key; looks like a wrong signature to whoever probes for keys."""


class SignatureDoesNotMatch(NotAuthenticated):
    """The signature is not the one that this request and this key give."""


class RequestExpired(NotAuthenticated):
    """The request was signed too long ago, or for a time that has not come."""


class AccessDenied(NotAuthenticated):
    """The principal is known and not permitted."""
