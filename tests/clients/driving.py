"""Driving one client through a scenario: its process, its account in the sandbox, what became of each step.

Rule: the client gets nothing but the AWS_* variables and one line for each step; all else is done beside it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from mailseal.sandbox.client import SandboxClient
from mailseal.sandbox.settings import HOSTED_ZONE
from mailseal.sesv1.calls import SERVED as SERVED_V1
from mailseal.sesv2.operations import Operation
from tests.clients.judging import filled, judged, unknown, without
from tests.clients.keys import own_keys
from tests.clients.story import V1, Refused, Scene, Step, World

SERVED = {operation.value for operation in Operation} | {f"{V1}:{action}" for action in SERVED_V1}
HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent.parent / ".dev" / "clients"
NOT_AWS = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


class Mark(StrEnum):
    """What became of a step."""

    GOOD = "✓"
    UNKNOWN = "–"
    BAD = "✗"
    UNSERVED = "·"


@dataclass(frozen=True)
class Outcome:
    """One step with one client: the mark, and the members it lacks or what went wrong."""

    step: str
    mark: Mark
    words: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """One client's run."""

    client: str
    version: str
    outcomes: tuple[Outcome, ...]

    def bad(self) -> list[str]:
        """What went wrong, a line for each step."""
        return [f"{one.step}: {one.words}" for one in self.outcomes if one.mark is Mark.BAD]


def account_variables(account: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a client that has an account of its own and no other way out."""
    away = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_PAGER": ""}
    away |= {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NODE_NO_WARNINGS": "1"}
    place = account["environment"]
    return {**NOT_AWS, **away, **place, "AWS_ENDPOINT_URL_SES": place["AWS_ENDPOINT_URL_SESV2"]}


class Client:
    """A client's process: a line of JSON in, a line of JSON out."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], words: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, env=environment, text=True
        )
        self._words = words
        hello = self._line()
        self.version: str = hello["version"]
        self.known: dict[str, dict[str, list[str]]] = hello["known"]

    def call(self, step: Step, given: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one step with this input."""
        assert self._process.stdin is not None
        line = {"service": step.service, "operation": step.operation, "input": given, "region": step.region}
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._words.seek(0)
            raise AssertionError(f"the client ended: {self._words.read().decode(errors='replace')[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()


@contextmanager
def client(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Client]:
    """A client's process, ended with the block."""
    with tempfile.TemporaryFile() as words:
        made = Client(command, environment, words)
        try:
            yield made
        finally:
            made.close()


@dataclass
class Stage:
    """What happens beside a client: owners publish, time passes, mails are read. A `World` names a method."""

    sandbox: SandboxClient
    names: dict[str, Any]

    def publish(self, domain: str) -> None:
        """The owner publishes what the newest setting asks for."""
        self.sandbox.ask("POST", "/sandbox/dns/publish", body={"domain": domain})

    def record(self, name: str, type: str, value: str) -> None:  # noqa: A002
        """The owner publishes one record."""
        self.sandbox.ask("PUT", "/sandbox/dns", body={"name": name, "type": type, "values": [value]})

    def advance(self, by: str) -> None:
        """Time passes, and all that is due meanwhile happens."""
        self.sandbox.ask("POST", "/sandbox/clock/advance", body={"by": by})

    def mail(self, subject: str, domain: str = "", parts: str = "") -> None:
        """The newest mail of that subject is in the mailbox, its signature as good as it should be."""
        told = self.sandbox.ask("GET", "/sandbox/mailbox")
        found = [one for one in told["items"] if one["subject"] == subject]
        assert found, f"no mail of the subject {subject!r}: {[one['subject'] for one in told['items']]}"
        signatures = [(one["result"], one["domain"]) for one in found[-1]["dkim"]]
        wanted = [("pass", domain)] if domain else []
        assert signatures == wanted, f"the mail {subject!r} has the signatures {signatures}"
        if parts:
            mail = message_from_bytes(
                self.sandbox.content(f"/sandbox/mailbox/{found[-1]['id']}/raw"), policy=policy.default
            )
            types = " ".join(part.get_content_type() for part in mail.walk() if not part.is_multipart())
            assert types == parts, f"the mail {subject!r} has the parts {types}"

    def follow_link(self, address: str) -> None:
        """The owner of the address opens the link in the newest mail to it, and presses the button."""
        told = self.sandbox.ask("GET", "/sandbox/mailbox", query={"dkim": "no"})
        found = [one for one in told["items"] if address in one["envelope"].get("recipients", ())]
        assert found, f"no mail to {address}"
        mail = message_from_bytes(
            self.sandbox.content(f"/sandbox/mailbox/{found[-1]['id']}/raw"), policy=policy.default
        )
        body = mail.get_body(("plain",))
        assert body is not None
        link = re.search(r"https?://\S+", body.get_content())
        assert link is not None, body.get_content()
        press = urllib.request.Request(link[0].rstrip("."), data=b"", method="POST")
        with urllib.request.urlopen(press, timeout=20) as answer:
            assert answer.status == 200


def names_of(slug: str, account: Mapping[str, Any]) -> dict[str, Any]:
    """What a scenario may name: the client's own domains, keys and account."""
    return {
        "slug": slug,
        "domain": f"{slug}.example.com",
        "other": f"{slug}-other.example.com",
        "old": f"{slug}-old.example.com",
        "account": account["account_id"],
        "zone": HOSTED_ZONE,
        **own_keys(),
    }


@dataclass
class _Run:
    driven: Client
    stage: Stage
    names: dict[str, Any]
    marks: dict[str, Mark] = field(default_factory=dict)

    def play(self, scene: Scene) -> Outcome | None:
        missed = next((self.marks[name] for name in scene.after if self.marks[name] is not Mark.GOOD), None)
        if isinstance(scene, World):
            if missed is None:
                getattr(self.stage, scene.what)(**filled(scene.given, self.names))
            return None
        outcome = Outcome(scene.name, missed) if missed is not None else self.step(scene)
        assert scene.name not in self.marks, f"two steps are called {scene.name}"
        self.marks[scene.name] = outcome.mark
        return outcome

    def step(self, step: Step) -> Outcome:
        unserved = [name for name in step.needs or (step.called,) if name not in SERVED]
        if unserved and not _says_unserved(step):
            return Outcome(step.name, Mark.UNSERVED, ", ".join(unserved))
        known = self.driven.known.get(step.called)
        if known is None:
            return Outcome(step.name, Mark.UNKNOWN, step.called, (step.called,))
        given = filled(step.input, self.names)
        lacking = unknown(given, known["in"])
        if lacking:
            missing = tuple(f"{step.called}.{path}" for path in lacking)
            return Outcome(step.name, Mark.UNKNOWN, ", ".join(lacking), missing)
        result = self.driven.call(step, given)
        expected: Any = filled(step.expect, self.names)
        unread: list[str] = []
        if not isinstance(expected, Refused):
            unread = unknown(expected, known["out"])
            expected = without(expected, unread)
        words = judged(expected, result, self.names)
        if not words:
            self._keep(step, result.get("answer", {}))
        missing = tuple(f"{step.called}.{path}" for path in unread)
        return Outcome(step.name, Mark.BAD if words else Mark.GOOD, words, missing)

    def _keep(self, step: Step, answer: Mapping[str, Any]) -> None:
        for name, path in step.keep.items():
            value: Any = answer
            for part in path.split("."):
                value = value[part]
            self.names[name] = value


def _says_unserved(step: Step) -> bool:
    return isinstance(step.expect, Refused) and "does not serve" in str(step.expect.message)


def drive(name: str, command: Sequence[str], operator: SandboxClient, scenes: Sequence[Scene]) -> Told:
    """The client's run through the scenes, in a fresh account of the sandbox."""
    account = operator.ask("POST", "/sandbox/accounts")
    own = SandboxClient(operator.api_url, account["access_key_id"], account["secret_access_key"])
    names = names_of(re.sub("[^a-z0-9]+", "-", name.lower()), account)
    with client(command, account_variables(account)) as driven:
        run = _Run(driven, Stage(own, names), names)
        outcomes = [run.play(scene) for scene in scenes]
    operator.ask("DELETE", f"/sandbox/accounts/{account['account_id']}")
    return Told(name, driven.version, tuple(one for one in outcomes if one is not None))
