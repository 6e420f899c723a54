"""The one door for private keys: what is published is found there, nothing else is, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from mailseal.cli.asking import LocalWay, Refused, ask
from mailseal.sealing.envelope import open_envelope
from tests.faults.canary import Canary
from tests.journeys.rig import Rig, running_rig

RETIRED, OTHER = "retired.example.com", "other.example.com"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path, keys="ed25519 = true\npublish_retired_after_days = 2") as running:
        yield running


def all_known(rig: Rig, canary: Canary) -> dict[str, str]:
    """Looks for every private key there is from now on; the selectors of those that have a place."""
    keyring, store = rig.app.world.keyring, rig.app.store
    keys = rig.call(lambda: store.read(lambda tx: tx.keys.list_under(keyring.master_key_id, "", 1000)))
    for key in keys:
        private = open_envelope(key, keyring._ciphers)  # type: ignore[attr-defined]
        canary.add_key(key.ref.key_id, private.to_pkcs8())
    return {key.place.selector: key.ref.key_id for key in keys if key.place is not None}


def said(rig: Rig, path: str) -> bytes:
    """What an address of the API answers to whoever asks without a name."""
    try:
        with urlopen(f"{rig.app.api_url}{path}", timeout=30) as answer:
            return bytes(answer.read())
    except HTTPError as refused:
        return refused.read()


def told(rig: Rig, path: str) -> Any:
    try:
        return ask(LocalWay(rig.config), "GET", path)
    except Refused as refused:
        return str(refused)


def elsewhere(rig: Rig) -> dict[str, bytes]:
    """All that comes out of other doors."""
    names = (RETIRED, OTHER)
    rests = ("", "/records", "/evidence")
    native = [told(rig, f"identities/{name}{rest}") for name in names for rest in rests]
    files = [path for path in rig.folder.rglob("*") if path.is_file() and path.name != "master.key"]
    return {
        "native": json.dumps([*native, told(rig, "installation")]).encode(),
        "log": "\n".join(map(repr, rig.lines)).encode(),
        "page of the other": said(rig, f"/mailseal/retired-keys/{OTHER}"),
        "page of nobody": said(rig, "/mailseal/retired-keys/"),
        **{str(path.relative_to(rig.folder)): path.read_bytes() for path in files},
    }


@pytest.mark.suite_keys
def test_the_page_of_retired_keys_holds_those_and_nothing_else_holds_any(rig: Rig) -> None:
    canary, ses = Canary(), rig.client()
    for name in (RETIRED, OTHER):
        ses.create_email_identity(EmailIdentity=name)
        rig.publish(name)
    rig.advance(minutes=10, steps=20)
    page = f"/mailseal/retired-keys/{RETIRED}"
    before = all_known(rig, canary)
    assert len(before) == 4
    old = told(rig, f"identities/{RETIRED}")["signed_with"]
    expected = {before[old["selector"]], before[old["ed25519_selector"]]}
    ask(LocalWay(rig.config), "POST", f"identities/{RETIRED}/rotate", body={})
    rig.advance(minutes=10, steps=10)
    all_known(rig, canary)
    assert canary.found_in(said(rig, page)) == set()
    rig.advance(days=9, steps=3)
    rig.advance(hours=4, steps=4)
    assert canary.found_in(said(rig, page)) == set()
    rig.advance(days=3, steps=3)
    all_known(rig, canary)
    published = said(rig, page)
    assert published.count(b"BEGIN PRIVATE KEY") == 2
    assert canary.found_in(published) == expected
    assert {door for door, text in elsewhere(rig).items() if canary.found_in(text)} == set()
    rig.stop()
    rig.keys = "ed25519 = true"
    rig.start()
    assert canary.found_in(said(rig, page)) == set()
