"""The provider's acceptance stories, each a function of the calls; a program as the other clients are.

Rule: create → read → refresh without drift → import → update → delete, as `terraform apply` and `terraform
import` do it; a story asserts what the provider's own test of that name asserts.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from model import refusal
from terraform import (
    ATTRIBUTES,
    Calls,
    EmailIdentity,
    FeedbackAttributes,
    Gone,
    MailFromAttributes,
    Policy,
    State,
)

NOT_TOLD = ("private_key", "selector")


def same(what: str, seen: Any, wanted: Any) -> None:
    """Fails with a sentence unless both are equal."""
    if seen != wanted:
        raise AssertionError(f"{what} is {seen!r}, not {wanted!r}")


def refreshed(calls: Calls, resource: Any, state: State) -> State:
    """The state after the refresh that follows each apply; the plan must be empty."""
    again: State = resource.read(calls, state)
    same("the refreshed state", again, state)
    return again


def imported(calls: Calls, resource: Any, state: State, kind_of_id: str = "[^|]+") -> None:
    """Fails unless importing by the id gives the same state, but for what the service never tells."""
    assert re.fullmatch(kind_of_id, state["id"]), state["id"]
    fresh = resource.read(calls, {"id": state["id"]})
    kept = {**state}
    if kept.get(ATTRIBUTES):
        kept[ATTRIBUTES] = {**kept[ATTRIBUTES], **dict.fromkeys(NOT_TOLD, "")}
    same("the imported state", fresh, kept)


def destroyed(calls: Calls, resource: Any, state: State) -> None:
    """Deletes, and fails unless it is gone."""
    resource.delete(calls, state)
    try:
        resource.read(calls, state)
    except Gone:
        return
    raise AssertionError(f"{state['id']} is not destroyed")


def basic_domain(calls: Calls, given: State) -> None:
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, {"email_identity": given["domain"]}))
    dkim = state[ATTRIBUTES]
    same("current_signing_key_length", dkim["current_signing_key_length"], "RSA_2048_BIT")
    same("next_signing_key_length", dkim["next_signing_key_length"], "RSA_2048_BIT")
    same("signing_attributes_origin", dkim["signing_attributes_origin"], "AWS_SES")
    same("status", dkim["status"], "PENDING")
    same("the number of tokens", len(dkim["tokens"]), 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", dkim["last_key_generation_timestamp"]), dkim
    assert dkim["signing_hosted_zone"], dkim
    same("identity_type", state["identity_type"], "DOMAIN")
    same("verified_for_sending_status", state["verified_for_sending_status"], False)
    imported(calls, EmailIdentity, state)
    destroyed(calls, EmailIdentity, state)


def basic_email_address(calls: Calls, given: State) -> None:
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, {"email_identity": given["address"]}))
    dkim = state[ATTRIBUTES]
    same("current_signing_key_length", dkim["current_signing_key_length"], "")
    same("last_key_generation_timestamp", dkim["last_key_generation_timestamp"], "")
    same("next_signing_key_length", dkim["next_signing_key_length"], "RSA_1024_BIT")
    same("signing_attributes_origin", dkim["signing_attributes_origin"], "AWS_SES")
    same("status", dkim["status"], "NOT_STARTED")
    same("tokens", dkim["tokens"], [])
    same("identity_type", state["identity_type"], "EMAIL_ADDRESS")
    same("verified_for_sending_status", state["verified_for_sending_status"], False)
    imported(calls, EmailIdentity, state)
    destroyed(calls, EmailIdentity, state)


def disappears(calls: Calls, given: State) -> None:
    state = EmailIdentity.create(calls, {"email_identity": given["domain"]})
    EmailIdentity.delete(calls, state)
    try:
        EmailIdentity.read(calls, state)
    except Gone:
        EmailIdentity.delete(calls, state)  # a second destroy finds nothing and is content
        return
    raise AssertionError("the deleted identity is still there")


def next_signing_key_length(calls: Calls, given: State) -> None:
    config = {"email_identity": given["domain"], ATTRIBUTES: {"next_signing_key_length": "RSA_2048_BIT"}}
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, config))
    same("next_signing_key_length", state[ATTRIBUTES]["next_signing_key_length"], "RSA_2048_BIT")
    imported(calls, EmailIdentity, state)
    config[ATTRIBUTES] = {"next_signing_key_length": "RSA_1024_BIT"}
    state = refreshed(calls, EmailIdentity, EmailIdentity.update(calls, state, config))
    same("next_signing_key_length", state[ATTRIBUTES]["next_signing_key_length"], "RSA_1024_BIT")
    destroyed(calls, EmailIdentity, state)


def domain_signing(calls: Calls, given: State) -> None:
    first = {"private_key": given["key_1"], "selector": "tf-acc-test-1234567890123456789"}
    config = {"email_identity": given["domain"], ATTRIBUTES: first}
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, config))
    same("domain_signing_private_key", state[ATTRIBUTES]["private_key"], given["key_1"])
    same("next_signing_key_length", state[ATTRIBUTES]["next_signing_key_length"], "")
    imported(calls, EmailIdentity, state)
    second = {"private_key": given["key_2"], "selector": "tf-acc-test-9876543210987654321"}
    config[ATTRIBUTES] = second
    state = refreshed(calls, EmailIdentity, EmailIdentity.update(calls, state, config))
    same("domain_signing_selector", state[ATTRIBUTES]["selector"], second["selector"])
    same("tokens", state[ATTRIBUTES]["tokens"], [second["selector"]])
    config[ATTRIBUTES] = {"next_signing_key_length": "RSA_2048_BIT"}
    state = refreshed(calls, EmailIdentity, EmailIdentity.update(calls, state, config))
    same("signing_attributes_origin", state[ATTRIBUTES]["signing_attributes_origin"], "AWS_SES")
    destroyed(calls, EmailIdentity, state)


def configuration_set_name(calls: Calls, given: State) -> None:
    sets = [f"{given['slug']}-{number}" for number in (1, 2)]
    for name in sets:
        calls("CreateConfigurationSet", ConfigurationSetName=name)
    config = {"email_identity": given["domain"], "configuration_set_name": sets[0]}
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, config))
    same("configuration_set_name", state["configuration_set_name"], sets[0])
    imported(calls, EmailIdentity, state)
    for wanted in (sets[1], None):
        changed = {**config, "configuration_set_name": wanted}
        state = refreshed(calls, EmailIdentity, EmailIdentity.update(calls, state, changed))
        same("configuration_set_name", state["configuration_set_name"], wanted)
    destroyed(calls, EmailIdentity, state)
    for name in sets:
        calls("DeleteConfigurationSet", ConfigurationSetName=name)


def tags(calls: Calls, given: State) -> None:
    config: State = {"email_identity": given["domain"], "tags": {"key1": "value1"}}
    state = refreshed(calls, EmailIdentity, EmailIdentity.create(calls, config))
    same("tags", state["tags"], {"key1": "value1"})
    imported(calls, EmailIdentity, state)
    for wanted in ({"key1": "value1updated", "key2": "value2"}, {"key2": "value2"}, {}):
        config["tags"] = wanted
        state = refreshed(calls, EmailIdentity, EmailIdentity.update(calls, state, config))
        same("tags", state["tags"], wanted)
    destroyed(calls, EmailIdentity, state)


def feedback_attributes(calls: Calls, given: State) -> None:
    identity = EmailIdentity.create(calls, {"email_identity": given["domain"]})
    config = {"email_identity": given["domain"], "email_forwarding_enabled": True}
    state = refreshed(calls, FeedbackAttributes, FeedbackAttributes.create(calls, config))
    same("email_forwarding_enabled", state["email_forwarding_enabled"], True)
    imported(calls, FeedbackAttributes, state)
    config["email_forwarding_enabled"] = False
    state = refreshed(calls, FeedbackAttributes, FeedbackAttributes.update(calls, state, config))
    same("email_forwarding_enabled", state["email_forwarding_enabled"], False)
    FeedbackAttributes.delete(calls, state)
    destroyed(calls, EmailIdentity, identity)


def mail_from_attributes(calls: Calls, given: State) -> None:
    identity = EmailIdentity.create(calls, {"email_identity": given["domain"]})
    basic = refreshed(
        calls, MailFromAttributes, MailFromAttributes.create(calls, {"email_identity": given["domain"]})
    )
    same("behavior_on_mx_failure", basic["behavior_on_mx_failure"], "USE_DEFAULT_VALUE")
    state = basic
    for place, behavior in (
        ("test1", "USE_DEFAULT_VALUE"),
        ("test1", "REJECT_MESSAGE"),
        ("test2", "REJECT_MESSAGE"),
    ):
        wanted = {"mail_from_domain": f"{place}.{given['domain']}", "behavior_on_mx_failure": behavior}
        changed = MailFromAttributes.update(calls, state, wanted)
        state = refreshed(calls, MailFromAttributes, changed)
        same("mail_from_attributes", {name: state[name] for name in wanted}, wanted)
        imported(calls, MailFromAttributes, state)
    MailFromAttributes.delete(calls, state)
    same("mail_from_attributes after destroy", MailFromAttributes.read(calls, state), basic)
    destroyed(calls, EmailIdentity, identity)


def policy(calls: Calls, given: State) -> None:
    identity = EmailIdentity.create(calls, {"email_identity": given["domain"]})
    text = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["ses:SendEmail"],
                "Resource": calls.arn(given["domain"]),
            }
        ],
    }
    config = {
        "email_identity": given["domain"],
        "policy_name": "tf-acc",
        "policy": json.dumps(text, indent=2),
    }
    state = refreshed(calls, Policy, Policy.create(calls, config))
    same("policy", json.loads(state["policy"]), text)
    imported(calls, Policy, state, r"[^|]+\|[^|]+")
    text["Statement"][0]["Action"] = ["ses:SendEmail", "ses:SendRawEmail"]
    config["policy"] = json.dumps(text)
    state = refreshed(calls, Policy, Policy.update(calls, state, config))
    same("policy", json.loads(state["policy"]), text)
    destroyed(calls, Policy, state)
    Policy.delete(calls, state)
    destroyed(calls, EmailIdentity, identity)


def data_sources(calls: Calls, given: State) -> None:
    made = EmailIdentity.create(calls, {"email_identity": given["domain"], "tags": {"key1": "value1"}})
    same("the data source's state", EmailIdentity.read(calls, {"id": given["domain"]}), made)
    told = MailFromAttributes.read(calls, {"id": given["domain"]})
    same("behavior_on_mx_failure", told["behavior_on_mx_failure"], "USE_DEFAULT_VALUE")
    destroyed(calls, EmailIdentity, made)


STORIES = {
    "EmailIdentity_basic_domain": basic_domain,
    "EmailIdentity_basic_emailAddress": basic_email_address,
    "EmailIdentity_disappears": disappears,
    "EmailIdentity_nextSigningKeyLength": next_signing_key_length,
    "EmailIdentity_domainSigning": domain_signing,
    "EmailIdentity_configurationSetName": configuration_set_name,
    "EmailIdentity_tags": tags,
    "EmailIdentityFeedbackAttributes": feedback_attributes,
    "EmailIdentityMailFromAttributes": mail_from_attributes,
    "EmailIdentityPolicy": policy,
    "EmailIdentityDataSource": data_sources,
}
GIVEN = ["slug", "domain", "address", "account", "key_1", "key_2"]


def main() -> None:
    """Serves stories until standard input ends."""
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("sesv2", endpoint_url=os.environ["AWS_ENDPOINT_URL_SESV2"], config=once)
    known = {name: {"in": GIVEN, "out": ["calls"]} for name in STORIES}
    print(json.dumps({"version": f"by botocore {botocore.__version__}", "known": known}), flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        calls = Calls(client, step["input"]["account"])
        try:
            STORIES[step["operation"]](calls, step["input"])
            result: dict[str, Any] = {"answer": {"calls": calls.made}}
        except (ClientError, BotoCoreError) as error:
            told = refusal(error)
            result = {"fault": f"{calls.made[-1]}: {told.get('error', told)}"}
        except (AssertionError, Gone) as error:
            result = {"fault": f"after {' '.join(calls.made)}: {error!r}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
