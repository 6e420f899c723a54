"""boto3, unmodified, over real HTTP against the whole application: what stands beside identities.

The order of calls in the Terraform stories is that of terraform-provider-aws's four SESv2 identity resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.journeys.wire_application import KEY, Application, running

POLICY = '{"Version":"2012-10-17","Statement":[{"Sid":"a b","Effect":"Allow"}]}'


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder: Path = tmp_path_factory.mktemp("neighbours")
    with running(folder) as made:
        yield made


@pytest.fixture
def ses(application: Application) -> Iterator[Any]:
    """A client of an account without identities and configuration sets."""
    client = application.client()
    yield client
    for row in client.list_email_identities()["EmailIdentities"]:
        client.delete_email_identity(EmailIdentity=row["IdentityName"])
    for name in client.list_configuration_sets()["ConfigurationSets"]:
        client.delete_configuration_set(ConfigurationSetName=name)


def arn(name: str, kind: str = "identity", region: str = "us-east-1") -> str:
    return f"arn:aws:ses:{region}:{KEY.account_id}:{kind}/{name}"


def got(ses: Any, name: str) -> dict[str, Any]:
    """GetEmailIdentity without what differs from answer to answer."""
    found: dict[str, Any] = ses.get_email_identity(EmailIdentity=name)
    found.pop("ResponseMetadata")
    return found


def code(call: Any, **arguments: Any) -> str:
    """The error code that boto3 raises for a call."""
    with pytest.raises(ClientError) as told:
        call(**arguments)
    return str(told.value.response["Error"]["Code"])


@pytest.mark.parametrize("name", ["example.com", "Me+news@example.com"])
def test_every_neighbour_of_an_identity_is_set_read_and_taken_away(ses: Any, name: str) -> None:
    ses.create_configuration_set(ConfigurationSetName="news", Tags=[{"Key": "for", "Value": "all"}])
    ses.create_email_identity(
        EmailIdentity=name, ConfigurationSetName="news", Tags=[{"Key": "team", "Value": "post"}]
    )
    fresh = got(ses, name)
    assert fresh["FeedbackForwardingStatus"] is True
    assert fresh["MailFromAttributes"] == {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
    assert (fresh["Policies"], fresh["ConfigurationSetName"]) == ({}, "news")
    ses.put_email_identity_feedback_attributes(EmailIdentity=name, EmailForwardingEnabled=False)
    ses.put_email_identity_mail_from_attributes(
        EmailIdentity=name, MailFromDomain="bounce.example.com", BehaviorOnMxFailure="REJECT_MESSAGE"
    )
    ses.create_email_identity_policy(EmailIdentity=name, PolicyName="one", Policy=f" {POLICY}\n")
    ses.tag_resource(ResourceArn=arn(name), Tags=[{"Key": "stage", "Value": ""}])
    full = got(ses, name)
    assert full["FeedbackForwardingStatus"] is False
    assert full["MailFromAttributes"] == {
        "MailFromDomain": "bounce.example.com",
        "MailFromDomainStatus": "PENDING",
        "BehaviorOnMxFailure": "REJECT_MESSAGE",
    }
    assert (
        full["Policies"] == ses.get_email_identity_policies(EmailIdentity=name)["Policies"] == {"one": POLICY}
    )
    listed = ses.list_tags_for_resource(ResourceArn=arn(name))["Tags"]
    assert full["Tags"] == listed == [{"Key": "team", "Value": "post"}, {"Key": "stage", "Value": ""}]
    ses.put_email_identity_feedback_attributes(EmailIdentity=name, EmailForwardingEnabled=True)
    ses.put_email_identity_mail_from_attributes(EmailIdentity=name)
    ses.put_email_identity_configuration_set_attributes(EmailIdentity=name)
    ses.delete_email_identity_policy(EmailIdentity=name, PolicyName="one")
    ses.untag_resource(ResourceArn=arn(name), TagKeys=["team", "stage"])
    bare = got(ses, name)
    assert "ConfigurationSetName" not in bare
    assert bare | {"VerificationInfo": {}} == {
        key: value for key, value in fresh.items() if key != "ConfigurationSetName"
    } | {"Tags": [], "VerificationInfo": {}}


def test_boto3_raises_the_modelled_exceptions(ses: Any) -> None:
    name = "example.com"
    assert code(ses.put_email_identity_feedback_attributes, EmailIdentity=name) == "BadRequestException"
    assert code(ses.put_email_identity_mail_from_attributes, EmailIdentity=name) == "BadRequestException"
    put_set = ses.put_email_identity_configuration_set_attributes
    assert code(put_set, EmailIdentity=name, ConfigurationSetName="x") == "NotFoundException"
    assert code(ses.get_email_identity_policies, EmailIdentity=name) == "NotFoundException"
    assert code(ses.list_tags_for_resource, ResourceArn=arn(name)) == "NotFoundException"
    create = ses.create_email_identity
    assert code(create, EmailIdentity=name, ConfigurationSetName="x") == "NotFoundException"
    assert code(create, EmailIdentity=name, Tags=[{"Key": "aws:x", "Value": ""}]) == "BadRequestException"
    assert code(ses.get_email_identity, EmailIdentity=name) == "NotFoundException"
    create(EmailIdentity=name)
    elsewhere = arn(name, region="eu-west-1")
    assert code(ses.tag_resource, ResourceArn=elsewhere, Tags=[]) == "BadRequestException"
    for number in range(20):
        ses.create_email_identity_policy(EmailIdentity=name, PolicyName=f"p{number}", Policy="{}")
    policy = ses.create_email_identity_policy
    assert code(policy, EmailIdentity=name, PolicyName="p20", Policy="{}") == "LimitExceededException"
    assert code(policy, EmailIdentity=name, PolicyName="p19", Policy="{}") == "AlreadyExistsException"
    ses.create_configuration_set(ConfigurationSetName="news")
    assert code(ses.create_configuration_set, ConfigurationSetName="news") == "AlreadyExistsException"
    assert code(ses.get_configuration_set, ConfigurationSetName="other") == "NotFoundException"


def test_configuration_sets_are_given_back_and_listed_page_by_page(ses: Any) -> None:
    names = [f"set-{number}" for number in range(5)]
    for name in names:
        ses.create_configuration_set(ConfigurationSetName=name, SendingOptions={"SendingEnabled": False})
    ses.tag_resource(ResourceArn=arn("set-3", "configuration-set"), Tags=[{"Key": "a", "Value": "b"}])
    found = ses.get_configuration_set(ConfigurationSetName="set-3")
    assert found["SendingOptions"] == {"SendingEnabled": False}
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]
    first = ses.list_configuration_sets(PageSize=3)
    second = ses.list_configuration_sets(PageSize=3, NextToken=first["NextToken"])
    assert first["ConfigurationSets"] + second["ConfigurationSets"] == names
    assert "NextToken" not in second


def test_an_account_may_send_and_has_no_quota(ses: Any) -> None:
    account = ses.get_account()
    assert (account["SendingEnabled"], account["ProductionAccessEnabled"]) == (True, True)
    assert account["SendQuota"]["Max24HourSend"] == -1
    assert account["SendQuota"]["MaxSendRate"] > 0


def test_a_mail_from_domain_waits_while_nobody_answers(ses: Any) -> None:
    ses.create_email_identity(EmailIdentity="example.com")
    ses.put_email_identity_mail_from_attributes(
        EmailIdentity="example.com", MailFromDomain="bounce.example.com"
    )
    assert got(ses, "example.com")["MailFromAttributes"]["MailFromDomainStatus"] == "PENDING"


def test_terraform_makes_changes_reads_and_destroys_an_identity(ses: Any) -> None:
    name = "tf-acc-test.example.com"
    ses.create_configuration_set(ConfigurationSetName="one")
    ses.create_configuration_set(ConfigurationSetName="two")
    tags = [{"Key": "key1", "Value": "value1"}]
    ses.create_email_identity(EmailIdentity=name, ConfigurationSetName="one", Tags=tags)
    assert got(ses, name)["ConfigurationSetName"] == "one"
    assert ses.list_tags_for_resource(ResourceArn=arn(name))["Tags"] == tags
    ses.put_email_identity_configuration_set_attributes(EmailIdentity=name, ConfigurationSetName="two")
    assert got(ses, name)["ConfigurationSetName"] == "two"
    ses.put_email_identity_configuration_set_attributes(EmailIdentity=name)
    assert "ConfigurationSetName" not in got(ses, name)
    ses.untag_resource(ResourceArn=arn(name), TagKeys=["key1"])
    ses.tag_resource(ResourceArn=arn(name), Tags=[{"Key": "key2", "Value": "value2"}])
    assert ses.list_tags_for_resource(ResourceArn=arn(name))["Tags"] == [{"Key": "key2", "Value": "value2"}]
    ses.delete_email_identity(EmailIdentity=name)
    assert code(ses.get_email_identity, EmailIdentity=name) == "NotFoundException"
    assert code(ses.list_tags_for_resource, ResourceArn=arn(name)) == "NotFoundException"


def test_terraform_manages_the_three_attribute_resources(ses: Any) -> None:
    name = "tf-acc-test.example.com"
    ses.create_email_identity(EmailIdentity=name)
    ses.put_email_identity_feedback_attributes(EmailIdentity=name, EmailForwardingEnabled=True)
    assert got(ses, name)["FeedbackForwardingStatus"] is True
    # Destroying the resource puts without the flag.
    ses.put_email_identity_feedback_attributes(EmailIdentity=name)
    assert got(ses, name)["FeedbackForwardingStatus"] is False
    for domain, behaviour in ((f"test1.{name}", "USE_DEFAULT_VALUE"), (f"test2.{name}", "REJECT_MESSAGE")):
        ses.put_email_identity_mail_from_attributes(
            EmailIdentity=name, MailFromDomain=domain, BehaviorOnMxFailure=behaviour
        )
        read = got(ses, name)["MailFromAttributes"]
        assert (read["MailFromDomain"], read["BehaviorOnMxFailure"]) == (domain, behaviour)
    ses.put_email_identity_mail_from_attributes(EmailIdentity=name)
    assert got(ses, name)["MailFromAttributes"] == {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
    ses.create_email_identity_policy(EmailIdentity=name, PolicyName="tf", Policy="{}")
    ses.update_email_identity_policy(EmailIdentity=name, PolicyName="tf", Policy=POLICY)
    assert ses.get_email_identity_policies(EmailIdentity=name)["Policies"] == {"tf": POLICY}
    ses.delete_email_identity_policy(EmailIdentity=name, PolicyName="tf")
    assert ses.get_email_identity_policies(EmailIdentity=name)["Policies"] == {}
    assert code(ses.delete_email_identity_policy, EmailIdentity=name, PolicyName="tf") == "NotFoundException"
