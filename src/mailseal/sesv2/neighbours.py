"""The operations on what stands beside identities: what came in becomes a command, its result becomes a body.

Rule: as in `calls`: nothing is decided here. A tag's resource is named by an ARN, so the permission is asked
for once that is read.
References: AWS SESv2 PutEmailIdentityMailFromAttributes, AWS SESv2 CreateEmailIdentityPolicy,
AWS SESv2 TagResource, AWS SESv2 CreateConfigurationSet, AWS SESv2 GetAccountResponse.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mailseal.core.configsets import ConfigurationSet
from mailseal.core.tagging import Taggable, parse_arn
from mailseal.service import attributes, configsets, mailfrom
from mailseal.service.admit import permit
from mailseal.service.world import World
from mailseal.sesv2 import neighbour_shapes as shapes
from mailseal.sesv2.answers import NOTHING, tags
from mailseal.sesv2.asked import Asked, pairs, parameters
from mailseal.sesv2.jsontext import parse_json
from mailseal.sesv2.operations import Operation

POLICIES = frozenset(
    {Operation.CREATE_POLICY, Operation.UPDATE_POLICY, Operation.DELETE_POLICY, Operation.GET_POLICIES}
)
TAGGING = frozenset({Operation.TAG_RESOURCE, Operation.UNTAG_RESOURCE, Operation.LIST_TAGS})
READING = frozenset(
    {
        Operation.GET_POLICIES,
        Operation.LIST_TAGS,
        Operation.GET_CONFIGURATION_SET,
        Operation.LIST_CONFIGURATION_SETS,
        Operation.GET_ACCOUNT,
    }
)
UNLIMITED_A_DAY = -1.0
"""SES's own number for an account without a daily quota."""
UNLIMITED_A_SECOND = 1e6
"""Clients pace themselves by this number, so it must be one that they can divide by."""

_encode = msgspec.json.Encoder().encode


async def perform(asked: Asked[World]) -> bytes:
    """The body of the answer; raises a Refusal, or whatever fault there was."""
    match asked.operation:
        case Operation.PUT_FEEDBACK_ATTRIBUTES:
            feedback = shapes.put_feedback(asked.identity, parse_json(asked.body))
            await attributes.put_feedback(asked.world, asked.who, feedback, asked.now)
        case Operation.PUT_MAIL_FROM_ATTRIBUTES:
            mail_from = shapes.put_mail_from(asked.identity, parse_json(asked.body))
            await mailfrom.put_mail_from(asked.world, asked.who, mail_from, asked.now)
        case Operation.PUT_CONFIGURATION_SET_ATTRIBUTES:
            wanted = shapes.put_configuration_set(asked.identity, parse_json(asked.body))
            await attributes.put_configuration_set(asked.world, asked.who, wanted, asked.now)
        case Operation.GET_ACCOUNT:
            return _account()
        case operation if operation in TAGGING:
            return await _tagging(asked)
        case operation if operation in POLICIES:
            return await _policies(asked)
        case _:
            return await _configuration_sets(asked)
    return NOTHING


async def _policies(asked: Asked[World]) -> bytes:
    world, who, now = asked.world, asked.who, asked.now
    match asked.operation:
        case Operation.CREATE_POLICY:
            new = shapes.put_policy(asked.identity, asked.other, parse_json(asked.body))
            await attributes.create_policy(world, who, new, now)
        case Operation.UPDATE_POLICY:
            changed = shapes.put_policy(asked.identity, asked.other, parse_json(asked.body))
            await attributes.update_policy(world, who, changed, now)
        case Operation.DELETE_POLICY:
            name = shapes.policy_name(asked.other)
            await attributes.delete_policy(world, who, asked.identity, name, now)
        case _:
            return _encode({"Policies": await attributes.get_policies(world, who, asked.identity, now)})
    return NOTHING


async def _tagging(asked: Asked[World]) -> bytes:
    world, who, now = asked.world, asked.who, asked.now
    match asked.operation:
        case Operation.TAG_RESOURCE:
            tagged = shapes.tag_resource(parse_json(asked.body))
            _permit(asked, tagged.arn)
            await attributes.tag_resource(world, who, tagged, now)
        case Operation.UNTAG_RESOURCE:
            untagged = shapes.untag_resource(pairs(asked.query))
            _permit(asked, untagged.arn)
            await attributes.untag_resource(world, who, untagged, now)
        case _:
            arn = shapes.list_tags(pairs(asked.query))
            _permit(asked, arn)
            return _encode({"Tags": tags(await attributes.list_tags(world, who, arn, now))})
    return NOTHING


def _permit(asked: Asked[World], arn: str) -> None:
    """Raises AccessDenied unless the principal may do this to the resource that an ARN names."""
    resource = parse_arn(arn, asked.who.account_id)
    name = resource.name if resource.kind is Taggable.IDENTITY else None
    if name is not None:
        asked.names(name)
    permit(asked.who, asked.operation, name)


async def _configuration_sets(asked: Asked[World]) -> bytes:
    world, who, now = asked.world, asked.who, asked.now
    match asked.operation:
        case Operation.CREATE_CONFIGURATION_SET:
            wanted = shapes.create_configuration_set(parse_json(asked.body))
            await configsets.create_configuration_set(world, who, wanted, now)
        case Operation.GET_CONFIGURATION_SET:
            return _configuration_set(await configsets.get_configuration_set(world, who, asked.other, now))
        case Operation.DELETE_CONFIGURATION_SET:
            await configsets.delete_configuration_set(world, who, asked.other, now)
        case _:
            if asked.method == "POST":
                command = shapes.list_configuration_sets(parse_json(asked.body))
            else:
                command = shapes.list_configuration_sets_by_query(parameters(asked.query))
            page = await configsets.list_configuration_sets(world, who, command, now)
            body: dict[str, Any] = {"ConfigurationSets": page.names}
            return _encode(body if page.next_token is None else body | {"NextToken": page.next_token})
    return NOTHING


def _configuration_set(found: ConfigurationSet) -> bytes:
    """The body of GetConfigurationSet; two options are told also where nobody set them."""
    always = {
        "ReputationOptions": {"ReputationMetricsEnabled": True},
        "SendingOptions": {"SendingEnabled": found.sending_enabled},
    }
    body = {"ConfigurationSetName": found.name, **always, **found.options, "Tags": tags(found.tags)}
    return _encode(body)


def _account() -> bytes:
    """The body of GetAccount; nothing of ours limits how much is sent, and nothing counts it."""
    return _encode(
        {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {
                "Max24HourSend": UNLIMITED_A_DAY,
                "MaxSendRate": UNLIMITED_A_SECOND,
                "SentLast24Hours": 0.0,
            },
            "SendingEnabled": True,
            "SuppressionAttributes": {"SuppressedReasons": []},
        }
    )
