"""Access keys and who is asking.

Rule: rules and values only; a secret is never in a repr.
References: AWS Signature Version 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailseal.core.errors import SignatureDoesNotMatch

NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An account's key for signing requests; the sandbox's fixed key is no secret and marked as such."""

    access_key_id: str
    account_id: str
    secret: str = field(default="", repr=False)
    enabled: bool = True
    is_sandbox_key: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """Who made this request, and in which region: proven, not claimed."""

    account_id: str
    region: str
    access_key_id: str


def secret_name(access_key_id: str) -> str:
    """The name under which the keyring seals an access key's secret."""
    return f"access-key/{access_key_id}"


def usable(key: AccessKey | None) -> AccessKey | None:
    """The key if requests may be signed with it: it exists and is enabled."""
    return key if key is not None and key.enabled else None


def no_match() -> SignatureDoesNotMatch:
    """The one refusal for an unknown key, a disabled key and a wrong signature: they look alike."""
    return SignatureDoesNotMatch(
        NO_MATCH, hint="No enabled access key of that id and secret gives this signature for this request."
    )


def check_region(region: str, served: tuple[str, ...]) -> None:
    """Raises SignatureDoesNotMatch unless the credential's region is one that this installation serves."""
    if region not in served:
        raise SignatureDoesNotMatch(
            "Credential should be scoped to a valid region. ",
            hint=f"This installation serves {', '.join(served)}.",
        )
