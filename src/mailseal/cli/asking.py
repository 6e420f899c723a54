"""Asking a running Mailseal: over the local installation's control socket, or signed over HTTP.

Rule: no answer is never a no: `CouldNotAsk` and `Refused` are two exceptions and two exit codes.
References: docs/cli.md.
"""

from __future__ import annotations

import http.client
import importlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from mailseal.cli.questions import Answer, Question
from mailseal.config import Config, SetupError, control_path, find_config, load_config
from mailseal.core.observations import printable
from mailseal.sandbox.settings import ACCESS_KEY, ACCESS_KEY_ID, REGION, read_place
from mailseal.sesv2.signing import Credentials, signed_headers

ENDPOINTS = ("MAILSEAL_ENDPOINT", "AWS_ENDPOINT_URL_SESV2")
SANDBOX_URL = "http://127.0.0.1:7080"
SANDBOX_PLACE = (".sandbox", "sandbox.json")
_PATIENCE_S = 70.0
"""A check of a domain may take a minute; beyond that nobody answers."""


class CouldNotAsk(Exception):
    """Nobody answered."""

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.do = what, why, do


class Refused(Exception):
    """Understood and declined, or (kind `fault`) failed: the server's own error object."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.kind = str(error.get("kind", "refused"))
        self.code = str(error.get("code", ""))
        self.message = printable(str(error.get("message", "")), at_most=1000)
        self.hint = printable(str(error.get("hint", "")), at_most=1000)
        self.members = dict(error)
        super().__init__(self.message)


class Way(Protocol):
    """How a question gets to an installation and its answer back."""

    @property
    def where(self) -> str:
        """What the first line names it by; empty for the local installation."""

    def carry(self, question: Question) -> Answer:
        """The answer; raises CouldNotAsk."""


def ask(
    way: Way, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
) -> Any:
    """The object that the native API answers with; raises Refused, CouldNotAsk, SetupError."""
    answer = way.carry(Question(method, path, query or {}, body))
    try:
        members = json.loads(answer.body)
    except ValueError:
        what = f"{way.where or 'the server'} answered with something that is not Mailseal's"
        raise CouldNotAsk(what, do="correct --endpoint") from None
    if answer.status < 300:
        return members
    refused = Refused(members.get("error", {}) if isinstance(members, dict) else {})
    _raise_if_clock_is_wrong(refused, answer.date)
    raise refused


def identity_path(name: str, rest: str = "") -> str:
    """The path of an identity, its name encoded once."""
    return f"identities/{quote(name, safe='')}" + (f"/{rest}" if rest else "")


def _raise_if_clock_is_wrong(refused: Refused, date: str) -> None:
    if not refused.message.startswith(("Signature expired", "Signature not yet current")) or not date:
        return
    off = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    minutes, seconds = divmod(round(abs(off)), 60)
    side = "behind" if off > 0 else "ahead of"
    raise SetupError(
        f"this machine's clock is {minutes} min {seconds} s {side} the server's",
        "a signed request is good for 5 minutes",
        "set the clock (timedatectl set-ntp true), then repeat the command",
    )


@dataclass(frozen=True, slots=True)
class LocalWay:
    """The local installation: its control socket, or where nothing runs the database itself."""

    config: Config
    account: str | None = None
    region: str | None = None

    @property
    def where(self) -> str:
        """Empty: it is the local installation."""
        return ""

    def carry(self, question: Question) -> Answer:
        """The answer; raises CouldNotAsk."""
        named = {"mailseal-account": self.account, "mailseal-region": self.region}
        headers = {"content-type": "application/json", "host": "localhost"}
        headers |= {name: value for name, value in named.items() if value}
        path = control_path(self.config)
        if _answers(path):
            return _exchange(_SocketConnection(path), question, headers, f"the socket {path}")
        # Imported here, since it brings the whole application and is seldom needed.
        offline = importlib.import_module("mailseal.cli.offline")
        answer: Answer = offline.answer(self.config, question, self.account, self.region)
        return answer


def _answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE_S)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class SignedWay:
    """An endpoint that is asked with signed requests."""

    url: str
    credentials: Credentials
    is_sandbox: bool = False

    @property
    def where(self) -> str:
        """The endpoint, or that it is the sandbox."""
        return f"sandbox on {urlsplit(self.url).netloc}" if self.is_sandbox else self.url

    def carry(self, question: Question) -> Answer:
        """The answer; raises CouldNotAsk."""
        place = urlsplit(self.url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = kind(place.hostname or "", place.port, timeout=_PATIENCE_S)
        headers = signed_headers(
            question.target, question.content, place.netloc, self.credentials, datetime.now(UTC)
        )
        return _exchange(connection, question, headers, self.where)


def _exchange(
    connection: http.client.HTTPConnection, question: Question, headers: Mapping[str, str], where: str
) -> Answer:
    target = question.target
    path = target.raw_path.decode() + (f"?{target.query.decode()}" if target.query else "")
    try:
        connection.request(question.method, path, question.content, dict(headers))
        got = connection.getresponse()
        return Answer(got.status, got.read(), got.headers.get("date", ""))
    except TimeoutError:
        raise CouldNotAsk(f"{where} does not answer", f"nothing came within {_PATIENCE_S:.0f} s") from None
    except (OSError, http.client.HTTPException) as fault:
        reason = getattr(fault, "strerror", None) or type(fault).__name__
        raise CouldNotAsk(f"{where} cannot be asked: {reason}", do="start it: mailseal serve") from None
    finally:
        connection.close()


def find_way(
    environment: Mapping[str, str],
    *,
    endpoint: str | None = None,
    config: str | None = None,
    account: str | None = None,
    region: str | None = None,
) -> Way:
    """How to ask: a named endpoint, else the local installation, else a sandbox; raises SetupError."""
    url = endpoint or next((environment[name] for name in ENDPOINTS if environment.get(name)), None)
    if url is not None:
        return SignedWay(url.rstrip("/"), _credentials(environment, region), _is_sandbox_key(environment))
    path = find_config(config, environment)
    if path is not None:
        found = load_config(path, environment)
        named_account = account or environment.get("MAILSEAL_ACCOUNT")
        return LocalWay(found, named_account, region or environment.get("MAILSEAL_REGION"))
    # A sandbox on ports of its own leaves word of them in the folder that it was started in.
    place = read_place(Path(environment.get("MAILSEAL_CHECKOUT", ""), *SANDBOX_PLACE))
    return SignedWay(place.api_url if place else SANDBOX_URL, _SANDBOX, is_sandbox=True)


_SANDBOX = Credentials(ACCESS_KEY_ID, ACCESS_KEY, REGION)


def _is_sandbox_key(environment: Mapping[str, str]) -> bool:
    return environment.get("AWS_ACCESS_KEY_ID") == ACCESS_KEY_ID


def _credentials(environment: Mapping[str, str], region: str | None) -> Credentials:
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        raise SetupError(
            "no access key to sign with",
            "an endpoint is asked with signed requests",
            "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    names = ("MAILSEAL_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
    found = region or next((environment[n] for n in names if environment.get(n)), REGION)
    return Credentials(key_id, secret, found)
