"""The way through: order, limits, one log line, faults without detail, the same call answered once."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailseal.core import errors as core
from mailseal.core.attributes import Neighbours
from mailseal.service.attributes import Described
from mailseal.sesv2 import intake
from mailseal.sesv2.errors import wire_error
from mailseal.sesv2.operations import SMALL_BODY
from tests.unit.sesv2.rig import HOST, IDENTITIES, KEY_ID, MADE_AT, SECRET, Rig, easy, refusal, signed

NAME = IDENTITIES + "/example.com"
SEND = "/v2/email/outbound-emails"
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def raw_message(size: int) -> bytes:
    return b'{"Content":{"Raw":{"Data":"' + b"QUJD" * (size // 4) + b'"}}}'


def rig_with_identity() -> Rig:
    rig = Rig()
    rig.cases.identities["example.com"] = easy()
    return rig


@pytest.mark.parametrize("credentials", [(KEY_ID, SECRET), (KEY_ID, "wrong")])
def test_every_answer_has_a_request_id_of_its_own_and_is_json(credentials: tuple[str, str]) -> None:
    rig = rig_with_identity()
    answers = [rig.ask(signed("GET", NAME, credentials=credentials)) for _ in range(2)]
    ids = {answer.headers[b"x-amzn-requestid"].decode() for answer in answers}
    assert len(ids) == 2
    assert all(UUID4.fullmatch(found) for found in ids)
    assert {answer.headers[b"content-type"] for answer in answers} == {b"application/json"}
    assert all(int(answer.headers[b"content-length"]) == len(answer.content) for answer in answers)


def test_each_request_leaves_one_line_that_says_who_what_and_how_it_ended() -> None:
    rig = rig_with_identity()
    rig.ask(signed("GET", NAME))
    rig.ask(signed("GET", IDENTITIES + "/example.net"))
    rig.ask(signed("GET", NAME, credentials=(KEY_ID, "wrong")))
    good, missing, stranger = (line.fields for line in rig.lines)
    told = good["status"], good["operation"], good["identity"], good.get("error")
    assert told == (200, "GetEmailIdentity", "example.com", None)
    assert (good["access_key_id"], good["region"]) == (KEY_ID, "us-east-1")
    assert (missing["status"], missing["error"], missing["identity"]) == (
        404,
        "NotFoundException",
        "example.net",
    )
    assert (stranger["status"], stranger.get("access_key_id")) == (403, None)
    assert all(line.event == "request" for line in rig.lines)
    assert SECRET not in repr(rig.lines)


def test_the_use_case_gets_the_worlds_time_and_the_signature_the_real_one() -> None:
    rig = rig_with_identity()
    seen: list[Any] = []

    async def describe_identity(world: Any, who: Any, name: str, now: Any) -> Any:
        seen.append((who.account_id, now))
        return Described(easy(), Neighbours())

    rig.api._use_cases = replace(rig.api._use_cases, describe_identity=describe_identity)
    assert rig.ask(signed("GET", NAME)).status == 200
    assert seen == [("1" * 12, MADE_AT)]


def test_a_fault_is_shown_to_nobody_and_logged_with_its_cause() -> None:
    rig = rig_with_identity()
    rig.cases.raises = RuntimeError("the database at 10.0.0.7 said no")
    answer = rig.ask(signed("GET", NAME))
    assert refusal(answer) == (500, "InternalFailure", "The service failed at this request.")
    fault, request = rig.lines
    assert (fault.event, fault.fields["fault"]) == ("fault", "RuntimeError")
    assert fault.fields["request_id"] == answer.headers[b"x-amzn-requestid"].decode()
    assert request.fields["status"] == 500


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (core.BadRequest, 400, "BadRequestException"),
        (core.NotFound, 404, "NotFoundException"),
        (core.AlreadyExists, 400, "AlreadyExistsException"),
        (core.LimitExceeded, 400, "LimitExceededException"),
        (core.TooManyRequests, 429, "TooManyRequestsException"),
        (core.ConcurrentModification, 500, "ConcurrentModificationException"),
        (core.MessageRejected, 400, "MessageRejected"),
        (core.Unavailable, 503, "ServiceUnavailable"),
        (core.AccessDenied, 403, "AccessDeniedException"),
    ],
)
def test_each_refusal_has_its_status_and_name(kind: type[core.Refusal], status: int, name: str) -> None:
    rig = rig_with_identity()
    rig.cases.raises = kind("A sentence.", hint="What to do.")
    answer = rig.ask(signed("GET", NAME))
    assert (answer.status, answer.error) == (status, name)
    assert (answer.headers.get(b"retry-after") == b"5") == (status == 503)
    if kind is core.BadRequest:
        assert answer.json == {"message": "A sentence. What to do."}
    else:
        assert answer.json == {"message": "A sentence.", "hint": "What to do."}
    assert [line.event for line in rig.lines] == ["request"]


def test_every_refusal_of_the_core_has_a_place_in_the_table() -> None:
    def kinds(kind: type[core.Refusal]) -> list[type[core.Refusal]]:
        return [kind, *(deeper for inner in kind.__subclasses__() for deeper in kinds(inner))]

    for kind in kinds(core.Refusal):
        error = wire_error(kind("text"))
        assert 400 <= error.status < 600
        assert json.loads(error.body) == {"message": "text"}


@pytest.mark.parametrize("minutes", [-20, -6, 6, 20])
def test_a_skewed_clock_is_told_and_nothing_executes(minutes: int) -> None:
    rig = rig_with_identity()
    answer = rig.ask(signed("DELETE", NAME), late=timedelta(minutes=minutes))
    assert (answer.status, answer.error) == (403, "InvalidSignatureException")
    assert answer.json["message"].startswith(
        "Signature expired" if minutes > 0 else "Signature not yet current"
    )
    assert "example.com" in rig.cases.identities


def test_a_wrong_date_is_told_before_the_key_is_looked_up() -> None:
    rig = rig_with_identity()
    rig.ask(signed("GET", NAME), late=timedelta(hours=1))
    assert rig.world.reads == 0


def test_a_key_is_read_from_the_database_each_time_so_that_a_change_counts_at_once() -> None:
    rig = rig_with_identity()
    wire = signed("GET", NAME)
    assert [rig.ask(wire, late=timedelta(seconds=late)).status for late in (0, 1)] == [200, 200]
    assert rig.world.reads == 2


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_a_body_in_pieces_is_the_same_body(pieces: int) -> None:
    rig = Rig()
    assert rig.ask(signed("POST", IDENTITIES, {"EmailIdentity": "example.com"}), pieces=pieces).status == 200
    wire = signed("POST", SEND, raw_message(100_000)).without_header(b"content-length")
    chunked = wire.with_header(b"transfer-encoding", b"chunked")
    assert rig.ask(chunked, pieces=pieces).status == 200
    assert rig.cases.arrived[1].raw == b"ABC" * 25_000


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_a_mebibyte_is_refused(declared: bool) -> None:
    rig = Rig()
    wire = signed("POST", IDENTITIES, b"x" * (SMALL_BODY + 1))
    if not declared:
        wire = wire.without_header(b"content-length").with_header(b"transfer-encoding", b"chunked")
    answer = rig.ask(wire, pieces=9)
    assert (answer.status, answer.error) == (413, "RequestEntityTooLargeException")
    assert answer.headers[b"connection"] == b"close"
    assert rig.cases.arrived == []


def test_a_message_may_be_larger_but_only_for_a_key_that_exists() -> None:
    rig = Rig()
    assert rig.ask(signed("POST", SEND, raw_message(3 * 2**20)), pieces=50).status == 200
    stranger = signed("POST", SEND, raw_message(3 * 2**20), credentials=("AKIANOBODY", "x"))
    assert rig.ask(stranger, pieces=50).status == 413
    assert len(rig.cases.arrived) == 1


def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    rig = Rig()
    wire = signed("POST", SEND, raw_message(8)).with_header(b"content-length", str(56 * 2**20 + 1).encode())

    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    rig.world.real = wire.time
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": wire.path,
        "query_string": b"",
        "headers": wire.headers,
    }
    asyncio.run(rig.api(scope, never, send))
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"", b"0x10", b"1" * 16, "٧".encode()])
def test_a_length_that_is_no_number_is_refused(length: bytes) -> None:
    wire = signed("POST", IDENTITIES, b"{}").with_header(b"content-length", length)
    assert Rig().ask(wire).status == 400


def test_a_client_that_goes_away_gets_no_answer_and_changes_nothing() -> None:
    rig = Rig()
    wire = signed("POST", IDENTITIES, {"EmailIdentity": "example.com"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to answer")

    messages = [
        {"type": "http.request", "body": wire.body[:5], "more_body": True},
        {"type": "http.disconnect"},
    ]
    rig.world.real = wire.time
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": wire.path,
        "query_string": b"",
        "headers": wire.headers,
    }
    asyncio.run(rig.api(scope, receive, send))
    assert rig.cases.arrived == []
    assert rig.api._admission.room._free == intake.UNVERIFIED_BYTES


def test_the_same_call_made_again_gets_the_same_answer_and_runs_once() -> None:
    rig = Rig()
    wire = signed(
        "POST", IDENTITIES, {"EmailIdentity": "example.com"}, headers={"amz-sdk-invocation-id": "i-1"}
    )
    first, second = rig.ask(wire), rig.ask(wire, late=timedelta(seconds=30))
    assert (first.status, first.content) == (second.status, second.content)
    assert len(rig.cases.arrived) == 1
    other = signed(
        "POST", IDENTITIES, {"EmailIdentity": "example.com"}, headers={"amz-sdk-invocation-id": "i-2"}
    )
    assert refusal(rig.ask(other)) == (
        400,
        "AlreadyExistsException",
        "Email identity example.com already exist.",
    )


def test_the_same_call_while_the_first_is_at_work_waits_for_its_answer() -> None:
    rig = Rig()
    rig.cases.pause = 0.02
    wire = signed("POST", SEND, raw_message(8), headers={"amz-sdk-invocation-id": "i-1"})

    async def both() -> list[Any]:
        return await asyncio.gather(*(rig.asked(wire) for _ in range(5)))

    answers = asyncio.run(both())
    assert {answer.content for answer in answers} == {answers[0].content}
    assert len(rig.cases.arrived) == 1


def test_a_call_that_failed_runs_again() -> None:
    rig = Rig()
    wire = signed("POST", SEND, raw_message(8), headers={"amz-sdk-invocation-id": "i-1"})
    rig.cases.raises = core.Unavailable("Not now.")
    assert rig.ask(wire).status == 503
    rig.cases.raises = None
    assert rig.ask(wire).status == 200
    assert len(rig.cases.arrived) == 2


def test_reading_is_never_answered_from_memory() -> None:
    rig = rig_with_identity()
    wire = signed("GET", NAME, headers={"amz-sdk-invocation-id": "i-1"})
    rig.ask(wire)
    rig.cases.identities.clear()
    assert rig.ask(wire).status == 404


@pytest.mark.parametrize("path", [b"/mailseal/v1/identities", b"/healthz", b"/readyz"])
def test_paths_of_our_own_go_to_the_native_application(path: bytes) -> None:
    rig = Rig()
    wire = replace(signed("GET", "/x"), path=path).without_header(b"authorization")
    assert rig.ask(wire).status == 299
    assert rig.lines == []


def test_types_come_before_constraints_and_both_before_the_use_case() -> None:
    rig = Rig()
    both = {"SigningAttributes": {"DomainSigningSelector": "a.b", "NextSigningKeyLength": 7}}
    answer = rig.ask(signed("PUT", IDENTITIES + "/nobody.example/dkim/signing", both))
    assert answer.error == "SerializationException"
    only = {"SigningAttributes": {"DomainSigningSelector": "a.b"}}
    answer = rig.ask(signed("PUT", IDENTITIES + "/nobody.example/dkim/signing", only))
    assert answer.error == "BadRequestException"
    assert answer.json["message"].startswith("2 validation errors detected: ")
    assert rig.cases.arrived == []


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_body_is_an_empty_object(body: bytes) -> None:
    rig = rig_with_identity()
    assert rig.ask(signed("PUT", NAME + "/dkim", body)).status == 200
    assert rig.cases.identities["example.com"].signing_enabled is False


def test_a_query_parameter_that_stands_twice_is_refused() -> None:
    answer = Rig().ask(signed("GET", IDENTITIES, query="PageSize=1&PageSize=2"))
    assert refusal(answer) == (400, "BadRequestException", "A parameter stands in the query twice.")


@pytest.mark.parametrize("host", [HOST, "localhost:7080", "[::1]:7080"])
def test_any_host_may_be_called_as_long_as_it_is_signed(host: str) -> None:
    rig = rig_with_identity()
    assert rig.ask(signed("GET", NAME, headers={"Host": host})).status == 200


def test_who_finds_no_room_waits_and_is_then_told_to_come_again() -> None:
    async def story() -> tuple[str, int]:
        room = intake.Room(capacity=10, patience=0.02)
        await room.take(8)
        with pytest.raises(core.Unavailable):
            await room.take(8)
        waiting = [asyncio.create_task(room.take(size)) for size in (5, 4)]
        await asyncio.sleep(0)
        room.give_back(8)
        await asyncio.gather(*waiting)
        free = room._free
        room.give_back(9)
        return "served", free + room._free

    assert asyncio.run(story()) == ("served", 1 + 10)


def test_who_gives_up_waiting_for_room_leaves_none_taken() -> None:
    async def story() -> int:
        room = intake.Room(capacity=10, patience=1)
        await room.take(10)
        waiting = asyncio.create_task(room.take(3))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        room.give_back(10)
        return room._free

    assert asyncio.run(story()) == 10


def test_a_body_that_stops_coming_is_given_up() -> None:
    async def story() -> None:
        messages = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Event().wait()

        with pytest.raises(core.BadRequest):
            await intake.read_body(receive, 100, patience=0.01)

    asyncio.run(story())
