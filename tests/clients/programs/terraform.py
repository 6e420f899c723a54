"""The calls of Terraform's AWS provider for SES v2 identities, in its order, with what its own tests assert.

Rule: each step names one story of the provider's acceptance suite; it is played against a state, as Terraform
keeps one, and fails by a sentence. The stories stand in terraform_stories.py, the resources here.
References: the resources aws_sesv2_email_identity, …_feedback_attributes, …_mail_from_attributes and
…_policy of the provider, and its data sources.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

State = dict[str, Any]
ATTRIBUTES = "dkim_signing_attributes"


class Calls:
    """A client of SES v2 that notes each operation, as the provider's log would."""

    def __init__(self, client: Any, account: str) -> None:
        self._client = client
        self._account = account
        self.made: list[str] = []

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        """The answer; what is None is not sent, as in Go."""
        self.made.append(operation)
        sent = {name: value for name, value in members.items() if value is not None}
        answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**sent)
        return answer

    def arn(self, name: str) -> str:
        """The name of an identity as tags are kept under it; the provider makes it by itself."""
        return f"arn:aws:ses:us-east-1:{self._account}:identity/{name}"


def missing(error: ClientError) -> bool:
    """Whether it is the error that the provider takes for "gone"."""
    return bool(error.response["Error"]["Code"] == "NotFoundException")


class Gone(Exception):
    """A resource that was just made, or is still in the state, is not there."""


def _find(calls: Calls, name: str) -> dict[str, Any]:
    try:
        return calls("GetEmailIdentity", EmailIdentity=name)
    except ClientError as error:
        if missing(error):
            raise Gone(name) from None
        raise


class EmailIdentity:
    """aws_sesv2_email_identity."""

    @staticmethod
    def create(calls: Calls, config: State) -> State:
        tags = [{"Key": key, "Value": value} for key, value in sorted(config.get("tags", {}).items())]
        calls(
            "CreateEmailIdentity",
            EmailIdentity=config["email_identity"],
            Tags=tags or None,
            ConfigurationSetName=config.get("configuration_set_name"),
            DkimSigningAttributes=_expanded(config.get(ATTRIBUTES)),
        )
        return EmailIdentity.read(calls, {"id": config["email_identity"], ATTRIBUTES: config.get(ATTRIBUTES)})

    @staticmethod
    def read(calls: Calls, state: State) -> State:
        found = _find(calls, state["id"])
        before = state.get(ATTRIBUTES) or {}
        told = calls("ListTagsForResource", ResourceArn=calls.arn(state["id"]))
        return {
            "id": state["id"],
            "arn": calls.arn(state["id"]),
            "email_identity": state["id"],
            "configuration_set_name": found.get("ConfigurationSetName"),
            ATTRIBUTES: _flattened(found["DkimAttributes"], before) if "DkimAttributes" in found else None,
            "identity_type": found["IdentityType"],
            "verification_status": found["VerificationStatus"],
            "verified_for_sending_status": found["VerifiedForSendingStatus"],
            "tags": {tag["Key"]: tag["Value"] for tag in told["Tags"]},
        }

    @staticmethod
    def update(calls: Calls, state: State, config: State) -> State:
        name = state["id"]
        _update_tags(calls, calls.arn(name), state["tags"], config.get("tags", {}))
        if config.get("configuration_set_name") != state["configuration_set_name"]:
            calls(
                "PutEmailIdentityConfigurationSetAttributes",
                EmailIdentity=name,
                ConfigurationSetName=config.get("configuration_set_name"),
            )
        wanted = config.get(ATTRIBUTES) or {}
        if any(state[ATTRIBUTES].get(key) != value for key, value in wanted.items()):
            # What the configuration leaves open is computed: the state's value is sent along with it.
            open_length = state[ATTRIBUTES]["next_signing_key_length"] if "selector" not in wanted else ""
            merged = {"next_signing_key_length": open_length, **wanted}
            calls(
                "PutEmailIdentityDkimSigningAttributes",
                EmailIdentity=name,
                SigningAttributesOrigin=_origin(merged),
                SigningAttributes=_expanded(merged),
            )
        return EmailIdentity.read(calls, {"id": name, ATTRIBUTES: wanted})

    @staticmethod
    def delete(calls: Calls, state: State) -> None:
        _forgiving(calls, "DeleteEmailIdentity", EmailIdentity=state["id"])


class FeedbackAttributes:
    """aws_sesv2_email_identity_feedback_attributes."""

    @staticmethod
    def create(calls: Calls, config: State) -> State:
        name, wanted = config["email_identity"], config.get("email_forwarding_enabled", False)
        calls("PutEmailIdentityFeedbackAttributes", EmailIdentity=name, EmailForwardingEnabled=wanted)
        return FeedbackAttributes.read(calls, {"id": name})

    @staticmethod
    def read(calls: Calls, state: State) -> State:
        found = _find(calls, state["id"])
        name = state["id"]
        return {
            "id": name,
            "email_identity": name,
            "email_forwarding_enabled": found["FeedbackForwardingStatus"],
        }

    @staticmethod
    def update(calls: Calls, state: State, config: State) -> State:
        return FeedbackAttributes.create(calls, {**config, "email_identity": state["id"]})

    @staticmethod
    def delete(calls: Calls, state: State) -> None:
        # Go leaves a false flag out of the body.
        _forgiving(calls, "PutEmailIdentityFeedbackAttributes", EmailIdentity=state["id"])


class MailFromAttributes:
    """aws_sesv2_email_identity_mail_from_attributes."""

    @staticmethod
    def create(calls: Calls, config: State) -> State:
        calls(
            "PutEmailIdentityMailFromAttributes",
            EmailIdentity=config["email_identity"],
            MailFromDomain=config.get("mail_from_domain") or None,
            BehaviorOnMxFailure=config.get("behavior_on_mx_failure", "USE_DEFAULT_VALUE"),
        )
        return MailFromAttributes.read(calls, {"id": config["email_identity"]})

    @staticmethod
    def read(calls: Calls, state: State) -> State:
        told = _find(calls, state["id"]).get("MailFromAttributes", {})
        return {
            "id": state["id"],
            "email_identity": state["id"],
            "behavior_on_mx_failure": told.get("BehaviorOnMxFailure"),
            "mail_from_domain": told.get("MailFromDomain"),
        }

    @staticmethod
    def update(calls: Calls, state: State, config: State) -> State:
        calls(
            "PutEmailIdentityMailFromAttributes",
            EmailIdentity=state["id"],
            MailFromDomain=config.get("mail_from_domain", ""),
            BehaviorOnMxFailure=config.get("behavior_on_mx_failure", "USE_DEFAULT_VALUE"),
        )
        return MailFromAttributes.read(calls, state)

    @staticmethod
    def delete(calls: Calls, state: State) -> None:
        _forgiving(calls, "PutEmailIdentityMailFromAttributes", EmailIdentity=state["id"])


class Policy:
    """aws_sesv2_email_identity_policy; its id is `identity|policy`."""

    @staticmethod
    def create(calls: Calls, config: State) -> State:
        return Policy._put(calls, "CreateEmailIdentityPolicy", config)

    @staticmethod
    def _put(calls: Calls, operation: str, config: State) -> State:
        name, policy = config["email_identity"], config["policy_name"]
        calls(operation, EmailIdentity=name, PolicyName=policy, Policy=_normal(config["policy"]))
        return Policy.read(calls, {"id": f"{name}|{policy}"})

    @staticmethod
    def read(calls: Calls, state: State) -> State:
        name, policy = state["id"].split("|")
        try:
            found = calls("GetEmailIdentityPolicies", EmailIdentity=name)["Policies"]
        except ClientError as error:
            if missing(error):
                raise Gone(state["id"]) from None
            raise
        if policy not in found:
            raise Gone(state["id"])
        text = _normal(found[policy])
        return {"id": state["id"], "email_identity": name, "policy_name": policy, "policy": text}

    @staticmethod
    def update(calls: Calls, state: State, config: State) -> State:
        return Policy._put(calls, "UpdateEmailIdentityPolicy", config)

    @staticmethod
    def delete(calls: Calls, state: State) -> None:
        name, policy = state["id"].split("|")
        _forgiving(calls, "DeleteEmailIdentityPolicy", EmailIdentity=name, PolicyName=policy)


def _forgiving(calls: Calls, operation: str, **members: Any) -> None:
    try:
        calls(operation, **members)
    except ClientError as error:
        if not missing(error):
            raise


def _normal(policy: str) -> str:
    return json.dumps(json.loads(policy), sort_keys=True)


def _update_tags(calls: Calls, arn: str, old: dict[str, str], new: dict[str, str]) -> None:
    removed = [key for key in old if key not in new]
    changed = [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value]
    if removed:
        calls("UntagResource", ResourceArn=arn, TagKeys=removed)
    if changed:
        calls("TagResource", ResourceArn=arn, Tags=changed)


def _expanded(given: State | None) -> dict[str, str] | None:
    if given is None:
        return None
    names = {
        "private_key": "DomainSigningPrivateKey",
        "selector": "DomainSigningSelector",
        "next_signing_key_length": "NextSigningKeyLength",
    }
    return {member: given[name] for name, member in names.items() if given.get(name)}


def _origin(given: State) -> str:
    if given.get("next_signing_key_length"):
        return "AWS_SES"
    return "EXTERNAL" if given.get("private_key") or given.get("selector") else "AWS_SES"


def _flattened(told: dict[str, Any], before: State) -> State:
    at: datetime | None = told.get("LastKeyGenerationTimestamp")
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""
    return {
        "current_signing_key_length": told.get("CurrentSigningKeyLength", ""),
        "next_signing_key_length": told.get("NextSigningKeyLength", ""),
        "signing_attributes_origin": told.get("SigningAttributesOrigin", ""),
        "signing_hosted_zone": told.get("SigningHostedZone", ""),
        "status": told.get("Status", ""),
        "tokens": told.get("Tokens", []),
        "last_key_generation_timestamp": stamp,
        # The service never tells these two; the state keeps what the configuration said.
        "private_key": before.get("private_key", ""),
        "selector": before.get("selector", ""),
    }
