"""Key records: read as verifiers do, judged by what all four reference verifiers accept."""

import base64
import json
from pathlib import Path

import pytest

from mailseal.dkim.keyrecord import (
    Accepted,
    KeyRecordError,
    RefusedRecord,
    character_strings,
    format_key_record,
    judge_byodkim,
    parse_key_record,
)
from mailseal.dkim.keys import PrivateKey, generate_private_key

MATRIX = json.loads((Path(__file__).parents[2] / "vectors" / "key-record-matrix.json").read_text())
CASES = {case["case"]: case for case in MATRIX["cases"]}
SPKI = base64.b64decode(CASES["plain"]["record"].partition("p=")[2])
P = CASES["plain"]["record"].partition("p=")[2]


def judged(record: str) -> Accepted | RefusedRecord:
    return judge_byodkim(record.encode())


@pytest.mark.parametrize("name", CASES)
def test_a_record_counts_exactly_when_all_four_verifiers_passed_with_it(name: str) -> None:
    verdict = judged(CASES[name]["record"])
    assert (isinstance(verdict, Accepted) and verdict.spki == SPKI) is CASES[name]["all_four_pass"]


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        ("plain", ()),
        ("p_only", ()),
        ("h_sha256", ()),
        ("v_last", ("version_not_first",)),
        ("V_tagupper", ("version_tag_in_capitals",)),
        ("t_y", ("test_mode",)),
        ("t_s", ()),
    ],
)
def test_what_is_accepted_but_untidy_is_warned_of(name: str, warnings: tuple[str, ...]) -> None:
    assert judged(CASES[name]["record"]) == Accepted(SPKI, warnings)


def test_missing_padding_is_accepted_with_a_warning() -> None:
    spki = generate_private_key(1032).spki
    text = base64.b64encode(spki)
    assert text.endswith(b"=")
    assert judge_byodkim(b"p=" + text.rstrip(b"=")) == Accepted(spki, ("missing_padding",))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("two_semi", "empty_tag"),
        ("v_lower", "bad_version"),
        ("k_upper", "bad_key_type"),
        ("v2", "bad_version"),
        ("esc_semi", "escaped"),
        ("quoted", "quoted"),
        ("inner_quotes", "quoted"),
        ("trunc255", "damaged_key"),
        ("one_char_lost", "damaged_key"),
        ("urlsafe", "url_safe_base64"),
        ("revoked", "revoked"),
        ("pkcs1", "pkcs1"),
        ("pem_headers", "pem_lines"),
        ("s_other", "service_excluded"),
        ("h_sha1", "hash_excluded"),
        ("g_bad", "granularity"),
        ("k_ed", "bad_key_type"),
        ("dup_p", "duplicate_tag"),
        ("comma", "commas"),
        ("spf", "not_dkim"),
        ("name_in_value", "zone_line"),
        ("smartq", "not_ascii"),
        ("nbsp", "not_ascii"),
        ("zwsp", "not_ascii"),
    ],
)
def test_each_mistake_is_called_by_its_name(name: str, code: str) -> None:
    verdict = judged(CASES[name]["record"])
    assert isinstance(verdict, RefusedRecord)
    assert verdict.code == code
    assert verdict.sentence.endswith((".", "-pubout"))


@pytest.mark.parametrize(
    ("tags", "accepted"),
    [
        ("h=sha1:sha256; p={p}", True),
        ("h=sha1 : sha256; p={p}", False),
        ("h=SHA256; p={p}", False),
        ("h=; p={p}", False),
        ("s=*; p={p}", True),
        ("s=email:tlsrpt; p={p}", False),
        ("s=*:x; p={p}", False),
        ("t=y:s; p={p}", True),
        ("n=a,b; p={p}", True),
        ('n=a"b"; p={p}', True),
        ("n=a\\b; p={p}", False),
        ("p={p}=", False),
        ("p={p}.", False),
        ("p={p}; n=last", True),
        ("k=rsa ;\tp = {p} ;", True),
        ("n=a; n=b; p={p}", False),
    ],
)
def test_more_spellings_count_as_the_four_verifiers_were_seen_to_take_them(tags: str, accepted: bool) -> None:
    assert isinstance(judged("v=DKIM1; " + tags.format(p=P)), Accepted) is accepted


def test_a_record_of_another_key_is_accepted_with_that_key() -> None:
    verdict = judged(CASES["otherkey"]["record"])
    assert isinstance(verdict, Accepted)
    assert verdict.spki != SPKI


@pytest.mark.parametrize(
    "record", ["", ";", "v=DKIM1", "v=DKIM1; p=AAAA", "hello", "p=" + P[:-4], "k=rsa; p=" + P + "AAAA"]
)
def test_what_holds_no_whole_key_is_refused(record: str) -> None:
    assert isinstance(judged(record), RefusedRecord)


def test_a_key_of_512_bits_is_refused() -> None:
    weak = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1P"
        "t8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
    )
    verdict = judged("p=" + weak)
    assert isinstance(verdict, RefusedRecord)
    assert verdict.code == "weak_key"


def test_what_we_publish_is_read_back_and_accepted(key: PrivateKey) -> None:
    published = format_key_record(key.spki)
    assert published.startswith(b"p=MII")
    assert parse_key_record(published).public_key == key.spki
    assert judge_byodkim(published) == Accepted(key.spki)


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 510, 511])
def test_character_strings_are_full_but_the_last_and_join_to_the_value(length: int) -> None:
    value = bytes(index % 251 for index in range(length))
    strings = character_strings(value)
    assert b"".join(strings) == value
    assert [len(text) for text in strings[:-1]] == [255] * (len(strings) - 1)
    assert len(strings[-1]) <= 255


def test_a_record_is_read_with_everything_it_restricts() -> None:
    record = parse_key_record(b"v=DKIM1; h=sha1:sha256; k=ed25519; s=email : tlsrpt; t=y:s; n=x; p=QUJD")
    assert (record.key_type, record.public_key) == ("ed25519", b"ABC")
    assert record.hashes == ("sha1", "sha256")
    assert record.services == ("email", "tlsrpt")
    assert record.flags == ("y", "s")


@pytest.mark.parametrize(
    ("txt", "code"),
    [
        (b"v=DKIM2; p=QUJD", "bad_version"),
        (b"v=DKIM1; k=rsa", "no_key"),
        (b"p=!", "bad_base64"),
        (b"", "empty"),
        (b"v=spf1 -all", "bad_version"),
    ],
)
def test_a_record_that_says_nothing_usable_raises_one_exception(txt: bytes, code: str) -> None:
    with pytest.raises(KeyRecordError) as refusal:
        parse_key_record(txt)
    assert refusal.value.code == code
