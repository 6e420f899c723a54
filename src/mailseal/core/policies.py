"""The sending policies of an identity: their names, their form and how many there may be.

Rule: a policy is kept and given back, its meaning is not read; only blanks outside of strings are taken out.
References: AWS SESv2 CreateEmailIdentityPolicyRequest, AWS SESv2 PolicyMap; docs/divergences.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailseal.core.errors import AlreadyExists, BadRequest, LimitExceeded, NotFound

MOST = 20
LONGEST_BYTES = 4096

_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class PutPolicy:
    """AWS SESv2 CreateEmailIdentityPolicyRequest and AWS SESv2 UpdateEmailIdentityPolicyRequest."""

    name: str
    policy_name: str
    text: str


def check_policy_name(policy_name: str) -> None:
    """Raises BadRequest unless it is made of the characters that a policy's name may have."""
    if not _NAME.match(policy_name):
        raise BadRequest(
            "PolicyName is invalid. Policy names must only include alpha-numeric characters, "
            "dashes, and underscores."
        )


def compacted(text: str) -> str:
    """A policy without the blanks that mean nothing; raises BadRequest for one that is no JSON object or too
    long.

    >>> compacted('{ "Sid" : "a b" }')
    '{"Sid":"a b"}'
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("Policy is not valid JSON.") from None
    if not isinstance(value, dict):
        raise BadRequest("Policy is not a JSON object.")
    # Only now: in what is JSON every string ends, and the pattern takes one pass.
    short = _BLANKS.sub(lambda found: found[1] or "", text)
    if len(short.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest(f"Policy is longer than {LONGEST_BYTES} bytes.")
    return short


def check_new_policy(policies: Mapping[str, str], command: PutPolicy) -> None:
    """Raises AlreadyExists, or LimitExceeded where the identity has as many as it may have."""
    check_policy_name(command.policy_name)
    if command.policy_name in policies:
        raise AlreadyExists(f"Policy <{command.policy_name}> already exists")
    if len(policies) >= MOST:
        raise LimitExceeded(
            f"Number of policies for <{command.name}> exceeds max allowed number of policies per resource"
        )


def check_known_policy(policies: Mapping[str, str], policy_name: str) -> None:
    """Raises NotFound."""
    if policy_name not in policies:
        raise NotFound(f"Policy <{policy_name}> does not exist")
