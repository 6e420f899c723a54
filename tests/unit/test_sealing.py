"""Keys at rest: what was altered, moved or sealed by another does not open, and nothing shows a secret."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.keys import KeyPlace
from mailseal.core.stored import SealedKey
from mailseal.dkim.keys import generate_ed25519_key
from mailseal.sealing import (
    Keyring,
    MasterKeyRefused,
    SealBroken,
    load_master_key,
    master_key_of,
    new_master_key,
    write_master_key,
)
from mailseal.sealing.envelope import associated_data
from mailseal.sealing.masterkey import SecretBytes
from tests.fakes import MASTER_KEY, START, fake_keyring, pooled_key

PLACE = KeyPlace("000000000001", "us-east-1", "example.com", "d2xs5a2qd7edll7bjpxcfqxgp6yz6zx2")
DIGEST = hashlib.sha256(b"a message").digest()


def sealed(place: KeyPlace | None = PLACE, number: int = 0) -> SealedKey:
    """A pooled key, sealed."""
    return fake_keyring().seal(pooled_key(number), f"key-{number}", START, place)


def opens(key: SealedKey) -> bool:
    """Whether a keyring that has never seen the key signs with it, and rightly."""
    try:
        signature = fake_keyring().sign_digest(key, DIGEST)
    except SealBroken:
        return False
    public = load_der_public_key(pooled_key().spki)
    public.verify(signature, DIGEST, padding.PKCS1v15(), utils.Prehashed(SHA256()))  # type: ignore[union-attr, call-arg, arg-type]
    return True


def test_a_sealed_key_signs_in_its_place() -> None:
    assert opens(sealed())


def test_an_ed25519_key_is_sealed_as_any_other() -> None:
    private = generate_ed25519_key()
    key = fake_keyring().seal(private, "key-ed", START, PLACE)
    assert (key.ref.bits, key.ref.spki) == (256, private.spki)
    signature = fake_keyring().sign_digest(key, DIGEST)
    public = load_der_public_key(private.spki)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, DIGEST)
    with pytest.raises(SealBroken):
        fake_keyring().sign_digest(replace(key, place=replace(PLACE, selector="other")), DIGEST)
    with pytest.raises(SealBroken):
        fake_keyring().sign_digest(replace(key, ref=replace(key.ref, bits=2048)), DIGEST)


def test_a_key_from_the_stock_signs_where_it_was_placed_and_nowhere_else() -> None:
    stocked = sealed(place=None)
    placed = fake_keyring().placed(stocked, PLACE)
    assert opens(placed)
    assert placed.place == PLACE
    assert not opens(replace(stocked, place=PLACE))
    assert not opens(replace(placed, place=None))
    with pytest.raises(ValueError, match="place"):
        fake_keyring().placed(placed, PLACE)


def test_no_byte_of_an_envelope_can_be_altered() -> None:
    key = sealed()
    opened = [
        position
        for position in range(len(key.envelope))
        if opens(replace(key, envelope=_flipped(key.envelope, position)))
    ]
    assert opened == []
    assert len(key.envelope) > 1200


def _flipped(envelope: bytes, position: int) -> bytes:
    return envelope[:position] + bytes([envelope[position] ^ 1]) + envelope[position + 1 :]


@pytest.mark.parametrize("length", [0, 1, 12, 61, 73, 89, 90, 200])
def test_an_envelope_that_was_cut_does_not_open(length: int) -> None:
    assert not opens(replace(sealed(), envelope=sealed().envelope[:length]))


@pytest.mark.parametrize(
    "moved",
    [
        replace(PLACE, account_id="000000000002"),
        replace(PLACE, region="eu-west-1"),
        replace(PLACE, domain="example.net"),
        replace(PLACE, selector="another"),
        KeyPlace("000000000001us-east-1", "", "example.com", PLACE.selector),
        None,
    ],
)
def test_a_key_does_not_open_in_another_place(moved: KeyPlace | None) -> None:
    assert not opens(replace(sealed(), place=moved))


ALTERATIONS: dict[str, Callable[[SealedKey], SealedKey]] = {
    "another id": lambda key: replace(key, ref=replace(key.ref, key_id="key-1")),
    "another length": lambda key: replace(key, ref=replace(key.ref, bits=1024)),
    "another public key": lambda key: replace(key, ref=replace(key.ref, spki=pooled_key(1).spki)),
    "another master key's id": lambda key: replace(key, master_key_id="00000000"),
    "another key's envelope": lambda key: replace(key, envelope=sealed(number=1).envelope),
    "another key's wrapped data key": lambda key: replace(
        key, envelope=sealed().envelope[:61] + key.envelope[61:]
    ),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_row_that_was_put_together_from_others_does_not_open(alteration: str) -> None:
    assert not opens(ALTERATIONS[alteration](sealed()))


def test_a_loaded_key_does_not_vouch_for_another_row() -> None:
    keyring = fake_keyring()
    key = keyring.seal(pooled_key(), "key-0", START, PLACE)
    keyring.sign_digest(key, DIGEST)
    with pytest.raises(SealBroken):
        keyring.sign_digest(replace(key, place=replace(PLACE, account_id="000000000002")), DIGEST)
    with pytest.raises(SealBroken):
        keyring.sign_digest(replace(key, envelope=_flipped(key.envelope, 100)), DIGEST)


def test_loaded_keys_are_bounded_and_the_one_used_last_stays() -> None:
    keyring = Keyring(master_key_of(MASTER_KEY, "here"), loaded_at_most=2)
    keys = [keyring.seal(pooled_key(), f"key-{number}", START, PLACE) for number in range(3)]
    for number in (0, 1, 0, 2):
        keyring.sign_digest(keys[number], DIGEST)
    assert [key.ref.key_id for key in keyring._loaded] == ["key-0", "key-2"]


def test_two_seals_of_one_key_have_no_byte_run_in_common() -> None:
    first, second = sealed().envelope[1:], sealed().envelope[1:]
    runs = {first[position : position + 16] for position in range(len(first) - 16)}
    assert not any(second[position : position + 16] in runs for position in range(len(second) - 16))


def test_a_digest_has_the_length_of_sha256() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        fake_keyring().sign_digest(sealed(), b"short")


PARTS = st.lists(st.text(max_size=6) | st.binary(max_size=6), max_size=5)


@given(PARTS, PARTS)
def test_two_lists_of_parts_give_the_same_data_only_if_they_are_the_same(
    one: list[str | bytes], other: list[str | bytes]
) -> None:
    as_bytes = [
        [part if isinstance(part, bytes) else part.encode() for part in parts] for parts in (one, other)
    ]
    assert (associated_data(*one) == associated_data(*other)) == (as_bytes[0] == as_bytes[1])


def test_a_secret_opens_under_its_own_name_only() -> None:
    keyring = fake_keyring()
    kept = keyring.seal_secret("token_derivation", b"thirty-two octets of a secret...")
    assert keyring.open_secret("token_derivation", kept) == b"thirty-two octets of a secret..."
    assert kept != keyring.seal_secret("token_derivation", b"thirty-two octets of a secret...")
    for name, value in [("another", kept), ("token_derivation", kept[:-1]), ("token_derivation", b"")]:
        with pytest.raises(SealBroken):
            keyring.open_secret(name, value)


def test_another_master_key_is_told_from_the_one_that_sealed() -> None:
    first = Keyring(master_key_of(MASTER_KEY, "/etc/mailseal/master.key"))
    second = Keyring(master_key_of(bytes(32), "/etc/mailseal/master.key"))
    first.confirm(first.check_value())
    with pytest.raises(MasterKeyRefused) as refused:
        second.confirm(first.check_value())
    assert str(refused.value).splitlines() == [
        f"error: /etc/mailseal/master.key (id {second.master_key_id}) does not open this database",
        f"  why: it was sealed with master key {first.master_key_id}, and no other one opens it",
        f"  do:  put the backup of {first.master_key_id} back; nothing was read or changed",
    ]
    with pytest.raises(MasterKeyRefused):
        first.confirm(first.master_key_id.encode() + second.check_value()[8:])
    with pytest.raises(MasterKeyRefused):
        first.confirm(b"")


def test_a_written_master_key_is_read_back_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    written = write_master_key(path)
    assert path.stat().st_mode & 0o777 == 0o400
    loaded = load_master_key(f"file:{path}", data_dir=tmp_path / "data")
    assert (loaded.key_id, loaded.where) == (written.key_id, str(path))
    assert loaded.secret.reveal() == written.secret.reveal()
    with pytest.raises(FileExistsError):
        write_master_key(path)
    assert load_master_key(f"file:{path}").key_id == written.key_id


def test_a_master_key_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSEAL_TEST_KEY", base64.b64encode(MASTER_KEY).decode())
    assert load_master_key("env:MAILSEAL_TEST_KEY").key_id == master_key_of(MASTER_KEY, "").key_id
    monkeypatch.delenv("MAILSEAL_TEST_KEY")
    with pytest.raises(MasterKeyRefused, match="MAILSEAL_TEST_KEY is not set"):
        load_master_key("env:MAILSEAL_TEST_KEY")


def _key_file(folder: Path, content: bytes, mode: int = 0o400) -> Path:
    path = folder / "master.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o404, 0o440, 0o644, 0o420, 0o500, 0o666])
def test_a_master_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = _key_file(tmp_path, base64.b64encode(MASTER_KEY), mode)
    with pytest.raises(MasterKeyRefused, match=f"mode {mode:04o}"):
        load_master_key(f"file:{path}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello",
        MASTER_KEY,
        base64.b64encode(MASTER_KEY[:31]),
        base64.b64encode(MASTER_KEY + b"x"),
    ],
)
def test_a_file_that_holds_no_master_key_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    path = _key_file(tmp_path, content)
    with pytest.raises(MasterKeyRefused, match="does not hold a master key") as refused:
        load_master_key(f"file:{path}")
    assert not content.strip() or content.strip().decode("latin-1") not in str(refused.value)


def test_a_master_key_inside_the_data_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_master_key(data / "master.key")
    (tmp_path / "alias").symlink_to(data)
    for way in (data / "master.key", tmp_path / "alias" / "master.key", data / ".." / "data" / "master.key"):
        with pytest.raises(MasterKeyRefused, match="lies in the data folder"):
            load_master_key(f"file:{way}", data_dir=data)


def test_a_link_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    write_master_key(tmp_path / "real.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "real.key")
    os.mkfifo(tmp_path / "pipe.key", 0o400)
    for name in ("link.key", "missing.key"):
        with pytest.raises(MasterKeyRefused, match="cannot be read"):
            load_master_key(f"file:{tmp_path / name}")
    for path in (tmp_path, tmp_path / "pipe.key"):
        with pytest.raises(MasterKeyRefused, match="not a regular file"):
            load_master_key(f"file:{path}")


@pytest.mark.parametrize(
    "provider", ["", "file:", "env:", "credential:", "command:", "/etc/mailseal/master.key", "pkcs11:x"]
)
def test_a_provider_that_is_not_served_is_named_and_what_to_write(provider: str) -> None:
    with pytest.raises(MasterKeyRefused) as refused:
        load_master_key(provider)
    assert 'master_key = "file:/etc/mailseal/master.key"' in refused.value.do


def test_secrets_do_not_print_and_do_not_travel() -> None:
    secret = SecretBytes(b"hush")
    master = master_key_of(new_master_key(), "here")
    shown = f"{secret} {secret!r} {master} {master!r} {sealed()!r}"
    assert "hush" not in shown
    assert master.secret.reveal().hex() not in shown
    assert repr(master.secret.reveal())[2:10] not in shown
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            travel(secret)
    secret.wipe()
    assert secret.reveal() == bytes(4)
