"""From one master key to the next: what opens when, with which provider, and that forgeries open nothing."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from mailseal.core.keys import KeyPlace
from mailseal.sealing import Keyring, MasterKeyRefused, SealBroken, master_key_of, new_master_key
from mailseal.sealing.keyring import Succession
from mailseal.sealing.providers import CHECK_VALUE, PREDECESSOR, SUCCESSOR
from mailseal.sealing.succession import open_keyring
from tests.fakes import START, pooled_key

PLACE = KeyPlace("000000000001", "us-east-1", "example.com", "d2xs5a2qd7edll7bjpxcfqxgp6yz6zx2")
DIGEST = hashlib.sha256(b"a message").digest()


class Installation:
    """Master keys in files, and the values that a database would keep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: dict[str, bytes] = {}
        opened = open_keyring(self.provider("a"), self.stored)
        self.keyring = opened.keyring
        self.stored = {**opened.values, CHECK_VALUE: self.keyring.check_value()}
        self.stored["token_derivation"] = self.keyring.seal_secret("token_derivation", b"secret")

    def provider(self, name: str) -> str:
        """The provider of a file, which is made where it is not there."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            path.write_bytes(base64.b64encode(hashlib.sha256(name.encode()).digest()))
            path.chmod(0o400)
        return f"file:{path}"

    def begin(self, name: str) -> Succession:
        """The next master key takes over, and keys begin to move."""
        succession = self.keyring.successor(self.provider(name))
        self.stored |= succession.values
        succession.take_over()
        return succession

    def finish(self) -> None:
        """The last key has moved."""
        self.stored |= self.keyring.current_values(self.stored)
        del self.stored[PREDECESSOR]
        self.keyring.forget_older(str(self.keyring.older_key_id))

    def restart(self, name: str) -> str:
        """A start with that provider configured; what it says about the configuration."""
        opened = open_keyring(self.provider(name), self.stored)
        self.keyring = opened.keyring
        for outlived in opened.outlived:
            del self.stored[outlived]
        return opened.outdated


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One that stands on master key a."""
    return Installation(tmp_path)


def test_between_two_master_keys_both_providers_open_everything(installation: Installation) -> None:
    before = installation.keyring.seal(pooled_key(), "before", START, PLACE)
    installation.begin("b")
    after = installation.keyring.seal(pooled_key(1), "after", START, PLACE)
    for name in ("a", "b", "a"):
        installation.restart(name)
        for key in (before, after, installation.keyring.current(before)):
            installation.keyring.sign_digest(key, DIGEST)
        assert installation.keyring.open_secret("token_derivation", installation.stored["token_derivation"])
        assert installation.keyring.seal(pooled_key(), "x", START, None).master_key_id == after.master_key_id


def test_the_old_provider_opens_until_the_new_one_was_configured(installation: Installation) -> None:
    installation.begin("b")
    installation.finish()
    assert installation.restart("a") == installation.provider("b")
    assert installation.restart("b") == ""
    assert not any(name.startswith(SUCCESSOR) for name in installation.stored)
    with pytest.raises(MasterKeyRefused, match="does not open this database"):
        installation.restart("a")


def test_several_rotations_are_followed_from_the_first_provider(installation: Installation) -> None:
    for name in ("b", "c", "d"):
        installation.begin(name)
        installation.finish()
    assert installation.restart("a") == installation.provider("d")
    assert installation.restart("c") == installation.provider("d")


def test_a_rotation_there_and_back_ends_where_it_began(installation: Installation) -> None:
    for name in ("b", "a"):
        installation.begin(name)
        installation.finish()
    assert installation.restart("a") == ""
    with pytest.raises(MasterKeyRefused):
        installation.restart("b")


def test_after_the_last_key_has_moved_nothing_opens_with_the_old_master_key(
    installation: Installation,
) -> None:
    key = installation.keyring.seal(pooled_key(), "key", START, PLACE)
    installation.keyring.sign_digest(key, DIGEST)
    installation.begin("b")
    moved = installation.keyring.current(key)
    installation.finish()
    installation.keyring.sign_digest(moved, DIGEST)
    with pytest.raises(SealBroken):
        installation.keyring.sign_digest(key, DIGEST)
    with pytest.raises(SealBroken):
        installation.keyring.sign_digest(replace(moved, master_key_id=key.master_key_id), DIGEST)
    old = Keyring(master_key_of(hashlib.sha256(b"a").digest(), "a"))
    for name in ("token_derivation", CHECK_VALUE):
        with pytest.raises(SealBroken):
            old.open_secret(name, installation.stored[name])


def test_a_signpost_that_somebody_else_wrote_leads_nowhere(installation: Installation) -> None:
    stranger = Keyring(master_key_of(new_master_key(), "elsewhere"))
    name = SUCCESSOR + installation.keyring.master_key_id
    succession = stranger.successor(installation.provider("evil"))
    forged = stranger.seal_secret(name, b"command:/bin/false")
    for signpost in (forged, b"command:/bin/false", installation.keyring.seal_secret("other", b"file:/x")):
        values = {**installation.stored, CHECK_VALUE: succession.values[CHECK_VALUE], name: signpost}
        with pytest.raises(MasterKeyRefused, match="does not open this database"):
            open_keyring(installation.provider("a"), values)


def test_an_altered_predecessor_stops_the_start(installation: Installation) -> None:
    installation.begin("b")
    sealed = installation.stored[PREDECESSOR]
    installation.stored[PREDECESSOR] = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for name in ("a", "b"):
        with pytest.raises(MasterKeyRefused, match="the master key before this one"):
            installation.restart(name)


def test_a_rotation_to_the_key_in_use_is_refused(installation: Installation) -> None:
    with pytest.raises(MasterKeyRefused, match="holds the master key in use"):
        installation.begin("a")


def test_secrets_from_before_they_named_their_master_key_still_open_and_move() -> None:
    master = master_key_of(bytes(range(32)), "tests")
    keyring = Keyring(master)
    named = keyring.seal_secret("name", b"secret")
    nameless = b"\x01" + named[9:]
    assert keyring.open_secret("name", nameless) == b"secret"
    moved = keyring.current_secret("name", nameless)
    assert moved[:9] == b"\x02" + master.key_id.encode()
    assert keyring.current_secret("name", moved) is moved
    with pytest.raises(SealBroken):
        keyring.open_secret("another", nameless)


def test_only_secrets_of_the_installation_are_sealed_anew(installation: Installation) -> None:
    installation.stored |= {"a_number": b"7", "empty": b""}
    before = dict(installation.stored)
    installation.begin("b")
    changed = installation.keyring.current_values(installation.stored)
    assert set(changed) == {"token_derivation"}
    assert installation.keyring.current_values({**installation.stored, **changed}) == {}
    assert before["token_derivation"] != changed["token_derivation"]
