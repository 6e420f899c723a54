"""Use cases about what stands beside an identity: feedback, configuration set, policies and tags.

Rule: nothing here asks what kind of identity a name is. Each use case is one transaction.
References: AWS SESv2 GetEmailIdentity, AWS SESv2 PutEmailIdentityFeedbackAttributes,
AWS SESv2 PutEmailIdentityConfigurationSetAttributes, AWS SESv2 CreateEmailIdentityPolicy,
AWS SESv2 TagResource; docs/divergences.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mailseal.core import policies, tagging
from mailseal.core.access import Principal
from mailseal.core.addressid import AddressStanding
from mailseal.core.attributes import Attributes, Neighbours, PutConfigurationSet, PutFeedback
from mailseal.core.commands import Tag
from mailseal.core.errors import BadRequest, NotFound
from mailseal.core.identity import Identity
from mailseal.core.names import is_address, stored_name
from mailseal.core.policies import PutPolicy
from mailseal.core.tagging import Resource, Taggable, TagResource, UntagResource
from mailseal.service.addresses import load_address, standing_of
from mailseal.service.beside import neighbours, place, require_identity, require_set
from mailseal.service.configure import load_identity
from mailseal.service.world import Tx, World


@dataclass(frozen=True, slots=True)
class Described:
    """An identity with everything that stands beside it, of one moment."""

    identity: Identity | AddressStanding
    beside: Neighbours


async def describe_identity(world: World, who: Principal, name: str, now: datetime) -> Described:
    """The identity and what stands beside it; raises NotFound."""

    def unit(tx: Tx) -> Described:
        found: Identity | AddressStanding
        if is_address(name):
            found = standing_of(tx, load_address(tx, who, name))
        else:
            found = load_identity(tx, who, stored_name(name), name)
        return Described(found, neighbours(tx, who, name))

    return await world.store.read_kept((describe_identity, who.account_id, who.region, name), unit)


async def put_feedback(world: World, who: Principal, command: PutFeedback, now: datetime) -> None:
    """Switches the forwarding of bounces by mail; raises BadRequest for an unknown identity, as SES does."""
    unknown = BadRequest(f"Identity {command.name} is invalid. Must be a verified email address or domain.")

    def unit(tx: Tx) -> None:
        require_identity(tx, who, command.name, unknown)
        _save(tx, who, command.name, lambda old: replace(old, feedback_forwarding=command.forwarding))

    await world.store.write(unit)


async def put_configuration_set(
    world: World, who: Principal, command: PutConfigurationSet, now: datetime
) -> None:
    """Gives an identity its default configuration set, or takes it away; raises NotFound."""
    wanted = command.configuration_set or None

    def unit(tx: Tx) -> None:
        require_identity(tx, who, command.name, NotFound(f"Identity <{command.name}> does not exist."))
        if wanted is not None:
            require_set(tx, who, wanted)
        _save(tx, who, command.name, lambda old: replace(old, configuration_set=wanted))

    await world.store.write(unit)


async def create_policy(world: World, who: Principal, command: PutPolicy, now: datetime) -> None:
    """Adds a policy; raises NotFound, AlreadyExists, LimitExceeded, BadRequest."""

    def unit(tx: Tx) -> None:
        policies.check_new_policy(_policies(tx, who, command.name), command)
        text = policies.compacted(command.text)
        tx.policies.put(*place(who, command.name), command.policy_name, text)

    await world.store.write(unit)


async def update_policy(world: World, who: Principal, command: PutPolicy, now: datetime) -> None:
    """Puts another text in the place of a policy's; raises NotFound, BadRequest."""

    def unit(tx: Tx) -> None:
        known = _policies(tx, who, command.name)
        policies.check_policy_name(command.policy_name)
        policies.check_known_policy(known, command.policy_name)
        text = policies.compacted(command.text)
        tx.policies.put(*place(who, command.name), command.policy_name, text)

    await world.store.write(unit)


async def delete_policy(world: World, who: Principal, name: str, policy_name: str, now: datetime) -> None:
    """Removes a policy; raises NotFound, also for a policy that is not there."""

    def unit(tx: Tx) -> None:
        policies.check_known_policy(_policies(tx, who, name), policy_name)
        tx.policies.delete(*place(who, name), policy_name)

    await world.store.write(unit)


async def get_policies(world: World, who: Principal, name: str, now: datetime) -> Mapping[str, str]:
    """The policies of an identity by their names; raises NotFound."""
    return await world.store.read(lambda tx: _policies(tx, who, name))


async def tag_resource(world: World, who: Principal, command: TagResource, now: datetime) -> None:
    """Adds tags to an identity or configuration set; raises BadRequest, NotFound."""
    resource = tagging.parse_arn(command.arn, who.account_id)
    if resource.region != who.region:
        raise BadRequest("Failed to tag resource", hint=f"The ARN names {resource.region}.")
    tagging.check_tags(command.tags)
    await world.store.write(
        lambda tx: _retag(tx, who, resource, lambda old: tagging.with_tags(old, command.tags))
    )


async def untag_resource(world: World, who: Principal, command: UntagResource, now: datetime) -> None:
    """Removes tags by their keys, those that are there; raises BadRequest, NotFound."""
    resource = tagging.parse_arn(command.arn, who.account_id)
    if resource.region != who.region:
        raise BadRequest("Failed to untag resource", hint=f"The ARN names {resource.region}.")
    await world.store.write(
        lambda tx: _retag(tx, who, resource, lambda old: tagging.without_tags(old, command.keys))
    )


async def list_tags(world: World, who: Principal, arn: str, now: datetime) -> tuple[Tag, ...]:
    """The tags of an identity or configuration set; raises BadRequest, NotFound.

    An ARN of another region finds nothing, if there is such a resource in the region that was asked.
    """
    resource = tagging.parse_arn(arn, who.account_id)
    found = await world.store.read(lambda tx: _tags(tx, who, resource))
    return found if resource.region == who.region else ()


def _save(tx: Tx, who: Principal, name: str, change: Callable[[Attributes], Attributes]) -> None:
    at = place(who, name)
    tx.attributes.save(*at, change(tx.attributes.load(*at)))


def _policies(tx: Tx, who: Principal, name: str) -> Mapping[str, str]:
    require_identity(tx, who, name, NotFound(f"Email identity <{name}> does not exist."))
    return tx.policies.load(*place(who, name))


def _tags(tx: Tx, who: Principal, resource: Resource) -> tuple[Tag, ...]:
    if resource.kind is Taggable.IDENTITY:
        require_identity(tx, who, resource.name, tagging.not_there(resource))
        return tx.attributes.load(*place(who, resource.name)).tags
    found = tx.configuration_sets.load(who.account_id, who.region, resource.name)
    if found is None:
        raise tagging.not_there(resource)
    return found.tags


def _retag(
    tx: Tx, who: Principal, resource: Resource, change: Callable[[tuple[Tag, ...]], tuple[Tag, ...]]
) -> None:
    tags = change(_tags(tx, who, resource))
    if resource.kind is Taggable.IDENTITY:
        _save(tx, who, resource.name, lambda old: replace(old, tags=tags))
        return
    found = tx.configuration_sets.load(who.account_id, who.region, resource.name)
    if found is not None:
        tx.configuration_sets.save(who.account_id, who.region, replace(found, tags=tags))
