"""What the story is played on: a fresh sandbox, the clients, the verifiers, and the ticks of the table.

Rule: the sandbox is a child process with a folder of its own; both are gone at the end.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from judges import Dkimpy, OpenDkim
from mails import DOMAIN, Counts, Post, judge
from sdks import Boto3, JavaScript
from telling import Mark, Screen, Tick

from mailseal.sandbox.client import SandboxClient

CLAIMS = {
    "created": ("created: NOT_STARTED, then PENDING", "boto3"),
    "proven": ("three CNAMEs published and seen: SUCCESS", "Mailseal's own check"),
    "sent": ("mail sent, signed, fetched from the mailbox", "boto3"),
    "verified": ("signature verifies, key fetched through DNS", "dkimpy, OpenDKIM"),
    "own_key": ("own key made by openssl: PENDING, SUCCESS", "JS SDK"),
    "no_gap": ("all mail during the switch: 0 unsigned", "dkimpy, OpenDKIM"),
    "back": ("back to Easy DKIM: the same three tokens", "JS SDK"),
    "length": ("1024 taken, 2048 refused, taken 24 h later", "JS SDK"),
    "in_use": ("2048 in use once a slot is blank, 9 days later", "boto3"),
    "again": ("deleted, created again: the same tokens", "boto3"),
}


class Broken(Exception):
    """The story went another way than told."""


@dataclass(slots=True)
class Stage:
    """Everything the steps use."""

    screen: Screen
    sandbox: SandboxClient
    boto3: Boto3
    js: Boto3 | JavaScript
    post: Post
    judges: tuple[Dkimpy, OpenDkim]
    ticks: dict[str, Tick]
    switch_mails: int
    """How many mails go out, at a steady rate, while the setting is switched there and back."""
    counts: Counts = field(default_factory=Counts)
    tokens: list[str] = field(default_factory=list)

    def tick(self, name: str) -> None:
        """Marks a claim as shown; one that a missing program should have shown stays unasked."""
        tick = self.ticks[name]
        if tick.mark is not Mark.NOT_ASKED:
            tick.mark = Mark.GOOD

    def attributes(self) -> dict[str, Any]:
        """DkimAttributes of the identity, as boto3 sees them."""
        found: dict[str, Any] = self.boto3.call("GetEmailIdentity", EmailIdentity=DOMAIN)["DkimAttributes"]
        return found

    def until(self, what: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The attributes once they fit, the clock moved in small steps until they do; raises Broken."""
        attributes = self.attributes()
        for _ in range(12):
            if true(attributes):
                return attributes
            self.sandbox.ask("POST", "/sandbox/clock/advance", body={"by": "6s"})
            attributes = self.attributes()
        raise Broken(f"{what} did not come; the identity is {attributes}")

    def judge_all(self) -> int:
        """How many mails were fetched and verified anew; raises Broken where one is not as it should be."""
        before = len(self.counts.judged)
        wrong = judge(self.post.mails(), self.judges, self.counts)
        if wrong:
            raise Broken(f"{len(wrong)} wrong: {wrong[0]}")
        return len(self.counts.judged) - before

    def judged_by(self) -> str:
        """The names of the verifiers that are here."""
        return " and ".join(one.name for one in self.judges if not one.gap)


def blank_ticks(js_gap: str, opendkim_gap: str) -> dict[str, Tick]:
    """The table before anything was shown; what cannot be asked here is named."""
    ticks = {name: Tick(claim, who) for name, (claim, who) in CLAIMS.items()}
    for name in ("own_key", "back", "length"):
        if js_gap:
            ticks[name] = Tick(CLAIMS[name][0], f"JS SDK: {js_gap}", Mark.NOT_ASKED)
    if opendkim_gap:
        ticks["verified"] = Tick(CLAIMS["verified"][0], f"OpenDKIM: {opendkim_gap}", Mark.NOT_ASKED)
        ticks["no_gap"] = Tick(CLAIMS["no_gap"][0], "dkimpy")
    return ticks


def own_key() -> tuple[str, str]:
    """A fresh key of openssl, as base64 of DER: the private one for SES, the public one for the TXT."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Broken("there is no openssl on this machine")
    make = [openssl, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    private = subprocess.run([*make, "-outform", "DER"], check=True, capture_output=True).stdout
    halve = [openssl, "pkey", "-inform", "DER", "-pubout", "-outform", "DER"]
    public = subprocess.run(halve, input=private, check=True, capture_output=True).stdout
    return base64.b64encode(private).decode(), base64.b64encode(public).decode()
