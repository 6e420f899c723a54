"""Every call of the native API, asked by schemathesis with whatever its declaration permits and does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mailseal.native.http import DECLARED
from mailseal.native.openapi import openapi_document
from tests.fakes import START, ScriptedDns, fake_world, opened_store
from tests.unit.native.test_http import KEY, Native

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
NAMES = ("example.com", "me@example.com")
# It would hand whatever is drawn to a provider of master keys, which may be a command.
LEFT_OUT = {"ChangeMasterKey"}
SCHEMA = schemathesis.openapi.from_dict(dict(openapi_document(DECLARED)))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
Ask = Callable[[str, str, str, bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks one installation, as its operator."""
    loop = asyncio.new_event_loop()
    opening = opened_store(tmp_path_factory.mktemp("store"))
    store = loop.run_until_complete(opening.__aenter__())
    world = fake_world(store)
    assert isinstance(world.resolver, ScriptedDns)
    world.resolver.domains.add("example.com")
    api = Native(world, [])
    loop.run_until_complete(store.write(lambda tx: tx.access_keys.add_account(KEY.account_id, START)))

    def answer(method: str, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return loop.run_until_complete(asked(api.trusted, method, path, query, body))

    yield answer
    loop.run_until_complete(opening.__aexit__(None, None, None))
    loop.close()


async def asked(
    application: Any, method: str, path: str, query: str, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of one request."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [],
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_whatever_is_asked_the_answer_is_as_declared(ask: Ask, operation: Any) -> None:
    if operation.definition.raw["operationId"] in LEFT_OUT:
        return
    for name in NAMES:
        ask("POST", "/mailseal/v1/identities", "", json.dumps({"identity": name}).encode())

    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(operation.as_strategy(), st.sampled_from([None, *NAMES]))
    def story(case: Any, name: str | None) -> None:
        if name is not None and "identity" in case.path_parameters:
            case.path_parameters["identity"] = name
        query = urlencode(case.query or {}, doseq=True)
        has_body = not isinstance(case.body, schemathesis.core.NotSet)
        body = json.dumps(case.body).encode() if has_body else b""
        status, headers, content = ask(case.method, case.formatted_path, query, body)
        url = f"http://localhost{case.formatted_path}"
        answer = schemathesis.Response(
            status,
            {name: [value] for name, value in headers.items()},
            content,
            requests.Request(case.method, url).prepare(),
            0.1,
            False,
        )
        case.validate_response(answer, checks=CHECKS)

    story()


def test_every_declared_call_is_asked() -> None:
    assert {one.definition.raw["operationId"] for one in OPERATIONS} == {one.operation for one in DECLARED}
