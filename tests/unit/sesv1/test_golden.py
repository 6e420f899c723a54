"""Golden forms and answers of the query API, one file a case: what goes over the wire, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailseal.sesv1.shapes import Action
from tests.unit.sesv1.rig import Answer, Rig, play

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "query"
FILES = sorted(FOLDER.glob("*.json"))
PROVEN = "the owner publishes, and it is seen"


def shown(answer: Answer) -> str:
    """The answer's XML, its request id made the same in every run."""
    request_id = answer.headers[b"x-amzn-requestid"].decode()
    text = answer.content.decode()
    assert text.count(request_id) == 1
    return text.replace(request_id, "REQUEST-ID")


async def told(here: Rig, case: dict[str, object]) -> Answer:
    """The answer to a case's form, after what went before it."""
    before = case.get("before", [])
    assert isinstance(before, list)
    for step in before:
        if step == PROVEN:
            await here.here.proven()
        else:
            assert (await here.ask("POST", step.encode())).status == 200, step
    return await here.ask("POST", str(case["form"]).encode())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_form_gets_its_golden_answer(file: Path, tmp_path: Path) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))

    async def story(here: Rig) -> None:
        answer = await told(here, case)
        assert (answer.status, shown(answer)) == (case["status"], "".join(case["xml"]))

    play(tmp_path, story)


def test_every_action_has_a_golden_form() -> None:
    forms = [json.loads(file.read_text(encoding="utf-8"))["form"] for file in FILES]
    named = {form.partition("&")[0].removeprefix("Action=") for form in forms}
    assert set(Action) <= named
