"""Asking a running sandbox from outside: the command line, the pytest plugin and the demo do it with this.

Rule: standard library and SigV4 only, so that importing it costs nothing.
References: AWS's description "Create a signed AWS API request".
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mailseal.sandbox.settings import ACCESS_KEY, ACCESS_KEY_ID, REGION
from mailseal.sesv2.signing import Credentials, signed_headers
from mailseal.sesv2.sigv4 import Target

NATIVE = "/mailseal/v1"
_TIMEOUT = 60.0


class NoSandbox(Exception):
    """No answer: nothing listens there, or it went away."""


class SandboxRefusal(Exception):
    """The sandbox understood and refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of one answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SandboxClient:
    """One account's way to a sandbox; every call is one signed request on a connection of its own."""

    api_url: str
    access_key_id: str = ACCESS_KEY_ID
    secret: str = field(default=ACCESS_KEY, repr=False)
    region: str = REGION
    timeout: float = _TIMEOUT

    def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Any:
        """The JSON answer of a path below /mailseal/v1; raises SandboxRefusal, NoSandbox."""
        answer = self.raw(method, f"{NATIVE}{path}", query=query, body=body)
        if answer.status >= 300:
            raise _refusal(answer)
        return json.loads(answer.body) if answer.body else None

    def content(self, path: str) -> bytes:
        """The bytes of an answer that is not JSON: a message; raises SandboxRefusal, NoSandbox."""
        answer = self.raw("GET", f"{NATIVE}{path}")
        if answer.status >= 300:
            raise _refusal(answer)
        return answer.body

    def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """One signed request and its answer, whatever it says; raises NoSandbox."""
        content = b"" if body is None else json.dumps(body).encode()
        question = urlencode(sorted((query or {}).items()), quote_via=quote)
        place = urlsplit(self.api_url)
        headers = self._signed(method, path, question, content, place.netloc)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self.timeout)
        try:
            connection.request(method, path + (f"?{question}" if question else ""), content, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoSandbox(f"no answer from {self.api_url}: {error}") from error
        finally:
            connection.close()

    def _signed(self, method: str, path: str, question: str, content: bytes, host: str) -> dict[str, str]:
        target = Target(method, path.encode(), question.encode())
        credentials = Credentials(self.access_key_id, self.secret, self.region)
        return signed_headers(target, content, host, credentials, datetime.now(UTC))


def _refusal(answer: Answer) -> SandboxRefusal:
    try:
        error = json.loads(answer.body)["error"]
        return SandboxRefusal(answer.status, str(error.get("code", "")), str(error.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return SandboxRefusal(answer.status, "", answer.body[:300].decode("utf-8", "replace"))
