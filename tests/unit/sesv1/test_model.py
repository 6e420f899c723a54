"""What we say of the query API's actions is what botocore's model says."""

from __future__ import annotations

from typing import Any

import pytest

from mailseal.sesv1.answers import MX_FAILURES, STATUSES
from mailseal.sesv1.errors import _CODES
from mailseal.sesv1.shapes import INPUTS, Action
from mailseal.sesv1.unserved import UNSERVED
from mailseal.sesv2.members import Blob, Choice, Flag, ListOf, Structure, Text, Whole
from tests.unit.sesv1.rig import MODEL

KINDS = {Text: "string", Choice: "string", Flag: "boolean", Whole: "integer", Blob: "blob", ListOf: "list"}


def compare(ours: Any, theirs: Any, where: str) -> None:
    """Fails by the member's name where a description differs from the model's shape."""
    if isinstance(ours, Structure):
        assert {member.name for member in ours.members} == set(theirs.members), where
        assert {member.name for member in ours.members if member.required} == set(theirs.required_members)
        for member in ours.members:
            compare(member.shape, theirs.members[member.name], f"{where}.{member.name}")
        return
    assert theirs.type_name == KINDS[type(ours)], where
    if isinstance(ours, ListOf):
        compare(ours.element, theirs.member, f"{where}[]")
    if isinstance(ours, Choice):
        assert list(ours.values) == theirs.enum, where


@pytest.mark.parametrize("action", Action)
def test_an_action_takes_what_the_model_says(action: Action) -> None:
    taken = MODEL.operation_model(action).input_shape
    if taken is None:
        assert INPUTS[action] == Structure(())
    else:
        compare(INPUTS[action], taken, action)


def test_every_action_of_the_model_is_served_or_named_as_unserved() -> None:
    assert set(Action) | UNSERVED == set(MODEL.operation_names)
    assert set(Action) & UNSERVED == set()


def test_statuses_and_behaviours_are_the_models_words() -> None:
    assert sorted(STATUSES.values()) == sorted(MODEL.shape_for("VerificationStatus").enum)
    assert sorted(MX_FAILURES) == sorted(MODEL.shape_for("BehaviorOnMXFailure").enum)


def test_declared_errors_have_the_models_codes_and_statuses() -> None:
    ours = {code: status for status, code in _CODES.values()}
    declared = {
        error.metadata["error"]["code"]: error.metadata["error"]["httpStatusCode"]
        for action in (Action.SEND_EMAIL, Action.SEND_RAW_EMAIL)
        for error in MODEL.operation_model(action).error_shapes
    }
    # There is no pausing of a whole account here.
    del declared["AccountSendingPausedException"]
    assert declared.items() <= ours.items()
