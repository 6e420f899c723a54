"""`identity records` of one identity and of all: pages in, one stream out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from mailseal.cli import handing, main
from mailseal.cli.questions import Answer, Question
from mailseal.handoff.formats import FORMATS


class Pages:
    """An installation with three domains, which it tells of two at a time."""

    where = ""

    def carry(self, question: Question) -> Answer:
        if question.path != "records":
            return self._answer(one("a.example"))
        if "next" not in question.query:
            return self._answer({"items": [one("a.example"), one("b.example")], "next": "t"})
        return self._answer({"items": [one("c.example")], "next": None})

    def _answer(self, members: Any) -> Answer:
        return Answer(200, json.dumps(members).encode(), "")


def one(name: str) -> dict[str, Any]:
    record = {"name": f"t._domainkey.{name}", "type": "CNAME", "value": "t.dkim.example.net", "ttl": 1800}
    return {"identity": name, "zone": name, "dkim_status": "PENDING", "records": [record]}


def test_all_pages_are_written_under_one_head(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    handing.write(Pages(), None, FORMATS["csv"])
    written = capfdbinary.readouterr().out
    assert written.count(b"name,type,value,ttl\r\n") == 1
    assert [line.partition(b",")[0] for line in written.splitlines()[1:]] == [
        b"t._domainkey.a.example",
        b"t._domainkey.b.example",
        b"t._domainkey.c.example",
    ]


def test_one_identity_is_written_alone(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    handing.write(Pages(), "a.example", FORMATS["zone"])
    assert capfdbinary.readouterr().out.split()[0] == b"t._domainkey.a.example."


@pytest.mark.parametrize("arguments", [[], ["a.example", "--all"]])
def test_neither_a_name_nor_all_is_wrong_usage_and_so_is_both(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["identity", "records", *arguments])
    assert done.exit_code == 2
