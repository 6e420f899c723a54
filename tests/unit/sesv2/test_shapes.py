"""What comes in becomes a command, or all that is wrong with it in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader

from mailseal.core.commands import Attachment, DkimAttributesInput, ListIdentities, PutDkimSigning, Tag
from mailseal.core.errors import BadRequest
from mailseal.sesv2 import members, neighbour_shapes, shapes
from mailseal.sesv2.errors import SerializationFailed

MODEL = Loader().load_service_model("sesv2", "service-2")
SELECTOR_PATTERN = r"^(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9]))$"
KEY_PATTERN = r"^[a-zA-Z0-9+\/]+={0,2}$"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEsecretsecretsecret\n-----END RSA PRIVATE KEY-----\n"


def put(origin: Any = "EXTERNAL", **attributes: Any) -> PutDkimSigning:
    body = {"SigningAttributesOrigin": origin, "SigningAttributes": attributes}
    return shapes.put_dkim_signing("example.com", body)


def at(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def test_a_put_becomes_a_command() -> None:
    command = put(
        DomainSigningSelector="s1", DomainSigningPrivateKey="QUJD", NextSigningKeyLength="RSA_1024_BIT"
    )
    assert command == PutDkimSigning("example.com", "EXTERNAL", DkimAttributesInput("s1", "QUJD", 1024, None))


def test_absent_and_null_and_unknown_members_are_all_absent() -> None:
    body = {"SigningAttributesOrigin": "AWS_SES", "SigningAttributes": None, "Unknown": {"x": [1]}}
    assert shapes.put_dkim_signing("example.com", body) == PutDkimSigning("example.com", "AWS_SES", None)
    assert put("AWS_SES", NextSigningKeyLength=None).dkim == DkimAttributesInput()


def test_every_origin_of_the_newest_model_goes_through_as_it_is() -> None:
    origins = MODEL["shapes"]["DkimSigningAttributesOrigin"]["enum"]
    assert len(origins) == 31
    assert [put(origin).origin for origin in origins] == origins


def test_all_violations_are_told_at_once() -> None:
    with pytest.raises(BadRequest) as told:
        shapes.put_dkim_signing(
            "example.com",
            {"SigningAttributes": {"DomainSigningSelector": "", "NextSigningKeyLength": "RSA_4096_BIT"}},
        )
    assert told.value.message == "4 validation errors detected: " + "; ".join(
        [
            at("signingAttributesOrigin", "Member must not be null"),
            at(
                "signingAttributes.domainSigningSelector",
                "Member must have length greater than or equal to 1",
            ),
            at(
                "signingAttributes.domainSigningSelector",
                f"Member must satisfy regular expression pattern: {SELECTOR_PATTERN}",
            ),
            at(
                "signingAttributes.nextSigningKeyLength",
                "Member must satisfy enum value set: [RSA_1024_BIT, RSA_2048_BIT]",
            ),
        ]
    )


@pytest.mark.parametrize(
    "selector",
    ["a.b", "s1._domainkey", "-a", "a-", "a_b", "ä", "a b", "a\n", "*", "_domainkey", " s1", "s1;", "s1\x00"],
)
def test_a_selector_is_one_label_and_the_hint_says_so(selector: str) -> None:
    with pytest.raises(BadRequest) as told:
        put(DomainSigningSelector=selector)
    assert SELECTOR_PATTERN in told.value.message
    assert told.value.hint == "A selector is one DNS label, the part before ._domainkey."


def test_a_selectors_length_ends_at_63() -> None:
    assert put(DomainSigningSelector="a" * 63).dkim.selector == "a" * 63
    with pytest.raises(BadRequest, match="Member must have length less than or equal to 63"):
        put(DomainSigningSelector="a" * 64)


@pytest.mark.parametrize(
    ("private_key", "hint"),
    [
        (PEM, "This is PEM text: send its base64 lines joined, without BEGIN and END: "),
        ("SECRET\nSECRET", "Send the base64 as one line"),
        ("SECRET-SECRET_", "Use the base64 alphabet with + and /"),
        ("SECRET!SECRET", "Send the key's DER in base64"),
        ("SECRET===", "Send the key's DER in base64"),
    ],
)
def test_a_key_of_the_wrong_form_gets_a_hint_and_is_never_echoed(private_key: str, hint: str) -> None:
    with pytest.raises(BadRequest) as told:
        put(DomainSigningPrivateKey=private_key)
    assert told.value.message == "1 validation error detected: " + at(
        "signingAttributes.domainSigningPrivateKey",
        f"Member must satisfy regular expression pattern: {KEY_PATTERN}",
    )
    assert told.value.hint.startswith(hint)
    said = told.value.message + told.value.hint + repr(told.value)
    assert not any(secret in said for secret in ("SECRET", "MIIE"))


def test_a_key_as_long_as_the_model_allows_is_taken_and_not_shown() -> None:
    command = put(DomainSigningPrivateKey="A" * 20480)
    assert "AAAA" not in repr(command)
    with pytest.raises(BadRequest, match="less than or equal to 20480") as told:
        put(DomainSigningPrivateKey="A" * 20481)
    assert "AAAA" not in str(told.value)


STRING = "can not be converted to a String"
LIST, MAP = "Start of list found where not expected", "Start of structure or map found where not expected."
WRONG_TYPES: list[tuple[Any, Any, str]] = [
    (shapes.create_identity, {"EmailIdentity": 1}, f"NUMBER_VALUE {STRING}"),
    (shapes.create_identity, {"EmailIdentity": 1.5}, f"NUMBER_VALUE {STRING}"),
    (shapes.create_identity, {"EmailIdentity": True}, f"TRUE_VALUE {STRING}"),
    (shapes.create_identity, {"EmailIdentity": False}, f"FALSE_VALUE {STRING}"),
    (shapes.create_identity, {"EmailIdentity": ["a"]}, LIST),
    (shapes.create_identity, {"EmailIdentity": {"a": "b"}}, MAP),
    (shapes.create_identity, {"Tags": "a"}, "Expected list or null"),
    (shapes.create_identity, {"Tags": 1}, "Expected list or null"),
    (shapes.create_identity, {"Tags": {}}, MAP),
    (shapes.create_identity, {"Tags": [1]}, "Expected null"),
    (shapes.create_identity, {"Tags": [[]]}, LIST),
    (shapes.create_identity, {"DkimSigningAttributes": []}, LIST),
    (shapes.create_identity, {"DkimSigningAttributes": "x"}, "Expected null"),
    (shapes.create_identity, [], LIST),
    (shapes.create_identity, "x", "Expected null"),
    (shapes.create_identity, None, "Expected null"),
    (shapes.list_identities, {"PageSize": "7"}, "STRING_VALUE can not be converted to an Integer"),
    (shapes.list_identities, {"PageSize": True}, "TRUE_VALUE can not be converted to an Integer"),
    (shapes.list_identities, {"PageSize": 1.5}, "NUMBER_VALUE can not be converted to an Integer"),
    (shapes.list_identities, {"PageSize": 2**31}, "NUMBER_VALUE can not be converted to an Integer"),
    (shapes.list_identities, {"PageSize": []}, LIST),
    (shapes.list_identities, {"Filter": "x"}, "Expected map or null"),
    (shapes.list_identities, {"Filter": []}, LIST),
    (shapes.list_identities, {"Filter": {"IDENTITY_TYPE": 1}}, f"NUMBER_VALUE {STRING}"),
    (shapes.list_identities, {"Filter": {"NO_SUCH_KEY": []}}, LIST),
    (shapes.send_email, {"Content": {"Raw": {"Data": 1}}}, "NUMBER_VALUE can not be converted to a Blob"),
]


@pytest.mark.parametrize(("shape", "value", "text"), WRONG_TYPES)
def test_a_wrong_json_type_is_told_in_corals_words_before_anything_else(
    shape: Any, value: Any, text: str
) -> None:
    with pytest.raises(SerializationFailed) as told:
        shape(value)
    assert told.value.message == text


@pytest.mark.parametrize("value", [True, "true", "TRUE"])
def test_a_flag_is_taken_also_as_the_string_true(value: object) -> None:
    assert shapes.put_dkim_attributes("example.com", {"SigningEnabled": value}).signing_enabled is True


@pytest.mark.parametrize("body", [{}, {"SigningEnabled": False}, {"SigningEnabled": "false"}])
def test_a_missing_flag_is_false(body: object) -> None:
    assert shapes.put_dkim_attributes("example.com", body).signing_enabled is False


@pytest.mark.parametrize(
    ("value", "word"),
    [(None, "NULL_VALUE"), (1, "NUMBER_VALUE"), (0, "NUMBER_VALUE"), ("yes", "STRING_VALUE")],
)
def test_a_flag_that_is_null_or_a_number_is_a_serialization_failure(value: object, word: str) -> None:
    with pytest.raises(SerializationFailed, match=f"^{word} can not be converted to a Boolean$"):
        shapes.put_dkim_attributes("example.com", {"SigningEnabled": value})


def test_a_filter_by_an_unknown_key_lists_the_keys_in_sess_order() -> None:
    with pytest.raises(BadRequest) as told:
        shapes.list_identities({"Filter": {"X": "y"}})
    assert told.value.message == "1 validation error detected: " + at(
        "filter",
        "Map keys must satisfy constraint: [Member must satisfy enum value set: "
        "[IDENTITY_NAME_CONTAINS, VERIFICATION_STATUS, IDENTITY_TYPE]]",
    )


def test_an_empty_filter_value_is_told_and_a_null_one_is_no_filter() -> None:
    with pytest.raises(BadRequest) as told:
        shapes.list_identities({"Filter": {"IDENTITY_TYPE": ""}})
    constraint = "Map value must satisfy constraint: [Member must have length greater than or equal to 1]"
    assert told.value.message == "1 validation error detected: " + at("filter", constraint)
    assert shapes.list_identities({"Filter": {"IDENTITY_TYPE": None}}) == ListIdentities()


@pytest.mark.parametrize("name", ["VERIFICATION_STATUS", "IDENTITY_TYPE"])
def test_a_filter_value_outside_of_its_enum_is_refused_and_each_within_is_taken(name: str) -> None:
    shape = {"VERIFICATION_STATUS": "VerificationStatus", "IDENTITY_TYPE": "IdentityType"}[name]
    for value in MODEL["shapes"][shape]["enum"]:
        command = shapes.list_identities({"Filter": {name: value}})
        assert value in (command.status, command.kind)
    with pytest.raises(BadRequest, match=name):
        shapes.list_identities({"Filter": {name: "success"}})


def test_both_forms_of_the_list_make_the_same_command() -> None:
    by_body = shapes.list_identities({"PageSize": 7, "NextToken": "t"})
    assert by_body == shapes.list_identities_by_query({"PageSize": "7", "NextToken": "t"})
    assert shapes.list_identities({"PageSize": 0}).page_size == 100
    assert shapes.list_identities_by_query({}) == ListIdentities()


@pytest.mark.parametrize("size", ["x", "1.5", "٧", "-", "1" * 11, " 7", "1e3"])
def test_a_page_size_in_the_query_that_is_no_number_is_refused(size: str) -> None:
    with pytest.raises(SerializationFailed):
        shapes.list_identities_by_query({"PageSize": size})


@pytest.mark.parametrize(
    ("size", "word"), [(-1, "greater than or equal to 0"), (1001, "less than or equal to 1000")]
)
def test_a_page_size_out_of_range_is_told_so(size: int, word: str) -> None:
    for ask in (
        lambda: shapes.list_identities({"PageSize": size}),
        lambda: shapes.list_identities_by_query({"PageSize": str(size)}),
    ):
        with pytest.raises(BadRequest, match=f"Member must have value {word}"):
            ask()


def test_tags_need_both_key_and_value_and_say_which_lacks_what() -> None:
    with pytest.raises(BadRequest) as told:
        shapes.create_identity({"EmailIdentity": "a", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "k2"}]})
    assert told.value.message == "1 validation error detected: " + at(
        "tags.2.member.value", "Member must not be null"
    )
    command = shapes.create_identity({"EmailIdentity": "a", "Tags": [None, {"Key": "k", "Value": ""}]})
    assert command.tags == (Tag("k", ""),)


def test_raw_and_simple_messages_become_commands() -> None:
    raw = shapes.send_email({"Content": {"Raw": {"Data": "QUJD"}}, "Destination": {"ToAddresses": ["a@b.c"]}})
    assert (raw.raw, raw.simple) == (b"ABC", None)
    assert raw.destination is not None
    assert raw.destination.all() == ("a@b.c",)
    simple = shapes.send_email(
        {
            "FromEmailAddress": "a@example.com",
            "Content": {
                "Simple": {
                    "Subject": {"Data": "s", "Charset": "ISO-8859-1"},
                    "Body": {"Text": {"Data": "t"}},
                    "Headers": [{"Name": "X-A", "Value": "b"}],
                }
            },
        }
    )
    assert simple.simple is not None
    assert simple.simple.subject.charset == "ISO-8859-1"
    assert simple.simple.text is not None
    assert simple.simple.text.charset == "UTF-8"
    assert simple.simple.html is None
    assert simple.simple.headers == (("X-A", "b"),)


def test_attachments_become_part_of_the_command() -> None:
    given = {
        "RawContent": "QUJD",
        "FileName": "a.png",
        "ContentDisposition": "INLINE",
        "ContentDescription": "a picture",
        "ContentId": "a1",
        "ContentTransferEncoding": "SEVEN_BIT",
        "ContentType": "image/png",
    }
    content = {"Simple": SIMPLE | {"Attachments": [given, {"RawContent": "QUJD", "FileName": "b"}]}}
    command = shapes.send_email({"Content": content})
    assert command.simple is not None
    assert command.simple.attachments == (
        Attachment(b"ABC", "a.png", "image/png", True, "a1", "a picture", "SEVEN_BIT"),
        Attachment(b"ABC", "b"),
    )
    assert "ABC" not in repr(command)


def test_the_identities_named_by_arn_become_part_of_the_command() -> None:
    members = {"FromEmailAddressIdentityArn": "a", "FeedbackForwardingEmailAddressIdentityArn": "b"}
    command = shapes.send_email({"Content": {"Raw": {"Data": "QUJD"}}, **members})
    assert (command.from_arn, command.feedback_arn) == ("a", "b")


SIMPLE = {"Subject": {"Data": "s"}, "Body": {}}


@pytest.mark.parametrize(
    ("content", "others", "words"),
    [
        ({}, {}, "exactly one of Simple, Raw and Template"),
        ({"Simple": SIMPLE, "Raw": {"Data": ""}}, {}, "exactly one of Simple, Raw and Template"),
        ({"Template": {"TemplateName": "x"}}, {}, "does not serve templates"),
        (
            {"Raw": {"Data": ""}},
            {"ListManagementOptions": {"ContactListName": "x"}},
            "does not serve contact lists",
        ),
        ({"Simple": {**SIMPLE, "Attachments": [{}]}}, {}, "2 validation errors detected: "),
        (
            {"Simple": {**SIMPLE, "Attachments": [{"RawContent": "", "FileName": "x" * 256}]}},
            {},
            "'content.simple.attachments.1.member.fileName'",
        ),
        ({"Simple": {"Subject": {}, "Body": {}}}, {}, "'content.simple.subject.data'"),
        (
            {"Simple": {**SIMPLE, "Headers": [{"Name": "a b", "Value": "v"}]}},
            {},
            "'content.simple.headers.1.member.name'",
        ),
        (
            {"Simple": {**SIMPLE, "Headers": [{"Name": "a", "Value": "v\r\nBcc: x"}]}},
            {},
            "headers.1.member.value",
        ),
        (
            {"Simple": {**SIMPLE, "Headers": [{"Name": "a", "Value": "v"}] * 16}},
            {},
            "less than or equal to 15",
        ),
        ({"Raw": {}}, {}, "'content.raw.data'"),
    ],
)
def test_content_that_is_no_message_is_refused(
    content: object, others: dict[str, object], words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        shapes.send_email({"Content": content, **others})


@pytest.mark.parametrize("data", ["QUJ", "Q", "QUJD=", "QU JD", "QUJD\n", "QU-_", "é", "QUJD!"])
def test_raw_data_that_is_not_base64_is_a_serialization_failure(data: str) -> None:
    with pytest.raises(SerializationFailed):
        shapes.send_email({"Content": {"Raw": {"Data": data}}})


# What of the model we say in another way, on purpose: {path: reason}.
DIFFERENT = {
    "ListEmailIdentities.PageSize": "the model's text has the range that its constraints lack",
    "SendEmail.Content.Template": "refused whole",
    "CreateConfigurationSet.DeliveryOptions.MaxDeliverySeconds": "the model says long; an integer holds it",
    "SendEmail.ListManagementOptions": "refused whole",
}
# Members that are taken and have no effect here; docs/divergences.md.
WITHOUT_EFFECT = {"EmailTags", "EndpointId", "TenantName", "ConfigurationOverrides", "LastFreshStart"}
INPUTS = {
    "CreateEmailIdentity": shapes.CREATE_EMAIL_IDENTITY,
    "ListEmailIdentities": shapes.LIST_EMAIL_IDENTITIES,
    "PutEmailIdentityDkimAttributes": shapes.PUT_DKIM_ATTRIBUTES,
    "PutEmailIdentityDkimSigningAttributes": shapes.PUT_DKIM_SIGNING_ATTRIBUTES,
    "SendEmail": shapes.SEND_EMAIL,
    "PutEmailIdentityFeedbackAttributes": neighbour_shapes.PUT_FEEDBACK,
    "PutEmailIdentityMailFromAttributes": neighbour_shapes.PUT_MAIL_FROM,
    "PutEmailIdentityConfigurationSetAttributes": neighbour_shapes.PUT_CONFIGURATION_SET,
    "CreateEmailIdentityPolicy": neighbour_shapes.PUT_POLICY,
    "UpdateEmailIdentityPolicy": neighbour_shapes.PUT_POLICY,
    "DeleteEmailIdentityPolicy": neighbour_shapes.DELETE_POLICY,
    "TagResource": neighbour_shapes.TAG_RESOURCE,
    "UntagResource": neighbour_shapes.UNTAG_RESOURCE,
    "ListTagsForResource": neighbour_shapes.LIST_TAGS,
    "CreateConfigurationSet": neighbour_shapes.CREATE_CONFIGURATION_SET,
    "ListConfigurationSets": neighbour_shapes.LIST_CONFIGURATION_SETS,
}


def differences(shape: members.Shape, name: str, path: str) -> list[str]:
    """Where our description of a shape and the model's part."""
    if path in DIFFERENT:
        return []
    theirs = MODEL["shapes"][name]
    found: list[Any] = []
    match shape:
        case members.Structure():
            expected: object = "structure"
            required = set(theirs.get("required", ()))
            described = {member.name: member for member in shape.members}
            for member, reference in theirs["members"].items():
                if reference.get("location") == "uri" or member in WITHOUT_EFFECT:
                    continue
                if member not in described or described[member].required != (member in required):
                    found.append(f"{path}.{member}")
                else:
                    found += differences(described[member].shape, reference["shape"], f"{path}.{member}")
            found += [f"{path}.{extra}" for extra in described if extra not in theirs["members"]]
        case members.Text():
            expected = "string", shape.shortest, shape.longest, shape.pattern, shape.sensitive
            keys = (
                theirs.get("min", 0),
                theirs.get("max"),
                theirs.get("pattern"),
                theirs.get("sensitive", False),
            )
            theirs = {"type": (theirs["type"], *keys)}
        case members.Choice():
            expected = "string"
            found += [path] if sorted(shape.values) != sorted(theirs.get("enum", ())) else []
        case members.ListOf():
            expected = "list"
            found += [path] if shape.longest != theirs.get("max") else []
            found += differences(shape.element, theirs["member"]["shape"], f"{path}[]")
        case members.MapOf():
            expected = "map"
            found += differences(shape.keys, theirs["key"]["shape"], f"{path}.key")
            found += differences(shape.values, theirs["value"]["shape"], f"{path}.value")
        case members.Flag():
            expected = "boolean"
        case members.Blob():
            expected = "blob"
        case members.Whole():
            expected = "integer"
    return found + ([f"{path}: {theirs['type']}"] if theirs["type"] != expected else [])


@pytest.mark.parametrize("operation", INPUTS)
def test_our_description_is_that_of_the_newest_model(operation: str) -> None:
    name = MODEL["operations"][operation]["input"]["shape"]
    assert differences(INPUTS[operation], name, operation) == []


def test_the_comparison_with_the_model_finds_a_planted_difference() -> None:
    planted = members.Structure((members.Member("SigningEnabled", members.Text()),))
    assert differences(planted, "PutEmailIdentityDkimAttributesRequest", "x") != []
