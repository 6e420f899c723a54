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

import re

# Not in a name, an address or an ARN, but in every private key: lines of base64, or hexadecimal digits.
_COULD_BE_A_KEY = re.compile(r"-----BEGIN[\s\S]*|(?:[A-Za-z0-9+/=_-]{64,}(?:\\n|\s)*)+[A-Za-z0-9+/=_-]*")


class Refusal(Exception):
    """A request understood and declined.

    `message` is AWS's own sentence where it is known; `hint` says what to do and is kept apart from it,
    because programs match AWS's sentences to the byte. A private key that was sent in the place of a name
    does not come back in either.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = without_keys(message)
        self.hint = without_keys(hint)
        super().__init__(self.message)


def without_keys(text: str) -> str:
    """The text without whatever is long enough to be a private key.

    >>> without_keys("Invalid domain name " + "MIIE" * 400 + ".")
    'Invalid domain name [1600 characters].'
    """
    return _COULD_BE_A_KEY.sub(_hidden, text)


def _hidden(run: re.Match[str]) -> str:
    # A path has a slash every few letters, base64 one in sixty-four.
    is_path = run[0].startswith("/") and run[0].count("/") * 24 >= len(run[0])
    return run[0] if is_path else f"[{len(run[0])} characters]"


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
