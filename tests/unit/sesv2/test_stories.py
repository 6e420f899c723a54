"""Golden stories, one file each: requests in their order, against the real use cases and a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from mailseal.sesv2.neighbours import READING, TAGGING
from mailseal.sesv2.operations import Operation
from tests.unit.sesv2.rig import signed
from tests.unit.sesv2.whole import Whole, tell

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "stories"
FILES = sorted(FOLDER.glob("*.json"))
SERVICE = ServiceModel(Loader().load_service_model("sesv2", "service-2"))


async def step(application: Whole, told: dict[str, Any]) -> None:
    """One line of a story: the DNS changes, time passes, or a request gets its answer."""
    if "dns" in told:
        texts = {
            name: tuple(text.encode() for text in one) for name, one in told["dns"].get("texts", {}).items()
        }
        application.dns.texts |= texts
        exchanges = told["dns"].get("exchanges", {})
        application.dns.exchanges |= {name: tuple(hosts) for name, hosts in exchanges.items()}
        return
    if told.get("opens the link"):
        await application.open_link()
        return
    if "work" in told:
        await application.work(told["work"])
        return
    ask = told["request"]
    answer = await application.ask(
        signed(ask["method"], ask["path"], ask.get("body"), query=ask.get("query", ""))
    )
    assert (answer.status, answer.error) == (told["status"], told.get("error")), answer.json
    if "answer" in told:
        assert json.dumps(answer.json) == json.dumps(told["answer"])
    for member, value in told.get("members", {}).items():
        assert answer.json.get(member) == value, member


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_story_goes_as_it_is_told(file: Path, tmp_path: Path) -> None:
    async def story(application: Whole) -> None:
        application.dns.domains.add("example.com")
        for told in json.loads(file.read_text(encoding="utf-8")):
            await step(application, told)

    tell(tmp_path, story)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_botocore_reads_a_storys_answers_without_losing_a_member(file: Path) -> None:
    for told in json.loads(file.read_text(encoding="utf-8")):
        if told.get("status") != 200 or "answer" not in told:
            continue
        shape = SERVICE.operation_model(told["operation"]).output_shape
        raw = {"status_code": 200, "headers": {}, "body": json.dumps(told["answer"]).encode()}
        read = create_parser("rest-json").parse(raw, shape)
        read.pop("ResponseMetadata")
        assert json.dumps(read, sort_keys=True) == json.dumps(told["answer"], sort_keys=True)


def test_what_only_reads_is_known_as_such() -> None:
    assert {Operation.LIST_TAGS} == READING & TAGGING
    assert {name for name in READING if not name.startswith(("Get", "List"))} == set()
