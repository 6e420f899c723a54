"""SPF records are told from other texts, and what they include is read without being followed."""

from __future__ import annotations

import pytest

from mailseal.core.spf import includes, spf_records

HOST = "spf.mx.example.net"


@pytest.mark.parametrize(
    "record",
    [
        b"v=spf1 include:spf.mx.example.net ~all",
        b"v=spf1 +include:spf.mx.example.net -all",
        b"V=SPF1 a mx INCLUDE:SPF.MX.EXAMPLE.NET ?all",
        b"v=spf1 include:spf.mx.example.net",
        b"v=spf1  ip4:192.0.2.1   include:spf.mx.example.net. all",
    ],
)
def test_a_record_that_passes_our_hosts_is_known(record: bytes) -> None:
    assert includes(record, HOST)


@pytest.mark.parametrize(
    "record",
    [
        b"v=spf1 ~all",
        b"v=spf1 ~all include:spf.mx.example.net",
        b"v=spf1 -include:spf.mx.example.net ~all",
        b"v=spf1 ?include:spf.mx.example.net ~all",
        b"v=spf1 include:mx.example.net include:x.spf.mx.example.net ~all",
        b"v=spf1 include:spf.mx.example.netx ~all",
        b"v=spf1 redirect=spf.mx.example.net",
        b"v=spf1 exp=include:spf.mx.example.net",
        b"include:spf.mx.example.net",
        b"v=spf1",
        b"",
    ],
)
def test_a_record_that_does_not_pass_our_hosts_is_known(record: bytes) -> None:
    assert not includes(record, HOST)


def test_only_texts_of_version_one_are_records() -> None:
    texts = (b"v=spf1", b"v=spf1 -all", b"v=spf10 -all", b"spf2.0/pra -all", b' "v=spf1"', b"v=DKIM1; p=")
    assert spf_records(texts) == (b"v=spf1", b"v=spf1 -all")
