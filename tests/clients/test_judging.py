"""The judge of the clients, the comparison of models and the locks, none of which needs a client."""

from __future__ import annotations

import re
from dataclasses import replace

from mailseal.sesv2 import members
from tests.clients.driving import HERE
from tests.clients.judging import differences as judged_differences
from tests.clients.judging import judged, unknown
from tests.clients.models import differences
from tests.clients.story import ABSENT, MOMENT, TOKENS, Has, Like, Refused

CHECKOUT = HERE.parent.parent


def test_the_judge_sees_each_kind_of_difference() -> None:
    seen = {"a": 1, "t": ["a" * 32, "b" * 32, "b" * 32], "at": "soon", "rows": [{"x": 1}, {"x": 1}]}
    expected = {"a": 2, "t": TOKENS, "at": MOMENT, "rows": Has(({"x": 1},)), "gone": Like(".+")}
    assert len(judged_differences(expected, seen, {})) == len(expected)
    assert judged_differences({"a": ABSENT}, seen, {}) == ["a is 1"]
    refused = {"error": {"name": "BadRequestException", "message": "no", "status": 400}}
    right = Refused("BadRequestException", Like("n."))
    assert judged(right, refused, {}) == ""
    for wrong in (replace(right, name="X"), replace(right, message="yes"), replace(right, status=404), {}):
        assert judged(wrong, refused, {}) != ""
    assert judged(right, {"answer": {}}, {}) != ""
    assert judged({}, {"fault": "TypeError"}, {}) != ""


def test_what_an_old_model_lacks_is_named_once_and_what_is_below_a_map_is_not() -> None:
    known = ["Name", "Filter", "Content", "Content.Raw"]
    given = {
        "Name": "x",
        "Filter": {"ANY": "x"},
        "Content": {"Raw": "x", "Simple": {"Body": "x"}},
        "Tags": [],
    }
    assert unknown(given, known) == ["Content.Simple", "Tags"]


def test_the_comparison_of_models_finds_a_planted_difference() -> None:
    model = {
        "operations": {"Op": {"input": {"shape": "In"}}},
        "shapes": {
            "In": {
                "type": "structure",
                "required": ["A"],
                "members": {"A": {"shape": "T"}, "C": {"shape": "T"}},
            },
            "T": {"type": "string", "max": 7},
        },
    }
    ours = members.Structure(
        (members.Member("A", members.Text(longest=8)), members.Member("B", members.Text()))
    )
    assert differences(model, "Op", ours) == [
        "Op.A is required in it",
        "Op.A has max 7 in it, 8 here",
        "Op.B is not in it",
        "Op.C is only in it",
    ]


def test_the_locks_of_clients_and_peers_hold_hashes_and_no_address() -> None:
    places = [*(HERE / "environments").iterdir(), CHECKOUT / "bench" / "peers"]
    locks = [lock for place in places for lock in place.glob("*") if lock.suffix in (".txt", ".json")]
    assert len(locks) >= len(places)
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock
        if lock.name == "requirements.txt":
            blocks = re.split(r"\n(?=\S)", text.strip())
            assert [block for block in blocks if "--hash=sha256:" not in block] == [], lock
