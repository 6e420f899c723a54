"""Golden requests and answers, one file a case: what goes over the wire, to the byte of its JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from mailseal.core.lifecycle import DkimStatus, ErrorType
from mailseal.core.observations import SoaRecord
from mailseal.sesv2.operations import Operation
from tests.unit.sesv2.rig import Rig, byodkim, easy, signed

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "golden"
STORIES = FOLDER.with_name("stories")
FILES = sorted(FOLDER.glob("*.json"))
SERVICE = ServiceModel(Loader().load_service_model("sesv2", "service-2"))


def proven() -> Any:
    """example.com with Easy DKIM that was checked and found right."""
    identity = easy()
    proof = replace(
        identity.newest.proof,
        status=DkimStatus.SUCCESS,
        last_checked_at=datetime(2026, 11, 23, 15, 0, 4, 115000, tzinfo=UTC),
        last_success_at=datetime(2026, 11, 23, 15, 0, 4, 441000, tzinfo=UTC),
        error_type=ErrorType.HOST_NOT_FOUND,
        soa=SoaRecord("ns1.example.net.", "hostmaster.example.net.", 7, 300),
    )
    setting = replace(identity.newest, proof=proof)
    return replace(identity, newest=setting, signing=setting)


def failing() -> Any:
    """example.com with BYODKIM whose record is not there."""
    identity = byodkim()
    proof = replace(identity.newest.proof, error_type=ErrorType.TYPE_NOT_FOUND)
    return replace(identity, newest=replace(identity.newest, proof=proof))


GIVEN = {"pending": easy, "proven": proven, "own key": byodkim, "own key, not found": failing}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_request_gets_its_golden_answer(file: Path) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))
    rig = Rig()
    for name in case.get("given", []):
        rig.cases.identities["example.com"] = GIVEN[name]()
    ask = case["request"]
    answer = rig.ask(signed(ask["method"], ask["path"], ask.get("body"), query=ask.get("query", "")))
    assert (answer.status, answer.error) == (case["status"], case.get("error"))
    assert json.dumps(answer.json) == json.dumps(case["answer"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_botocore_reads_a_golden_answer_without_losing_a_member(file: Path) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))
    if case["status"] != 200:
        return
    shape = SERVICE.operation_model(case["operation"]).output_shape
    raw = {"status_code": 200, "headers": {}, "body": json.dumps(case["answer"]).encode()}
    read = create_parser("rest-json").parse(raw, shape)
    read.pop("ResponseMetadata")
    assert sorted(read) == sorted(case["answer"])
    assert sorted(read.get("DkimAttributes", {})) == sorted(case["answer"].get("DkimAttributes", {}))


def test_every_operation_has_golden_cases() -> None:
    told = {json.loads(file.read_text(encoding="utf-8"))["operation"] for file in FILES}
    stories = (json.loads(file.read_text(encoding="utf-8")) for file in sorted(STORIES.glob("*.json")))
    told |= {step["operation"] for story in stories for step in story if "operation" in step}
    assert told == set(Operation)
