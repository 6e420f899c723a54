"""Each hand-off format, read by a parser that is not ours: what comes out is what was put in."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import botocore.session
import dns.rdatatype
import dns.rrset
import dns.zonefile
import hcl2
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from octodns.provider.yaml import YamlProvider
from octodns.record import Record as OctoRecord
from octodns.zone import Zone

from mailseal.handoff.formats import FORMATS
from mailseal.handoff.octodns import format_octodns
from mailseal.handoff.records import Record, Sheet, relative
from mailseal.handoff.route53 import format_route53
from tests.unit.handoff.sheets import APEX, EASY, LONG_KEY, OWN_KEY, SHEETS

Told = set[tuple[str, str, str]]


def wanted(sheet: Sheet) -> Told:
    """Name, type and value of each record, hosts with their final dot."""
    return {(r.name, r.type, r.value if r.type == "TXT" else f"{r.value}.") for r in sheet.records}


def rrsets(text: str) -> list[dns.rrset.RRset]:
    """What dnspython reads of a zone file without an origin."""
    return dns.zonefile.read_rrsets(text, rdclass=None, origin=".", relativize=False)


@pytest.mark.parametrize("word", ["zone", "cloudflare"])
@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_a_zone_file_says_every_name_whole(word: str, sheet: Sheet) -> None:
    text = FORMATS[word].write(sheet)
    found = set()
    for rrset in rrsets(text):
        assert rrset.ttl == 1800
        for rdata in rrset:
            is_text = rdata.rdtype == dns.rdatatype.TXT
            value = b"".join(rdata.strings).decode() if is_text else rdata.to_text()
            found.add((rrset.name.to_text(True), dns.rdatatype.to_text(rrset.rdtype), value))
    assert found == wanted(sheet)


def test_a_file_for_cloudflare_keeps_its_proxy_away() -> None:
    lines = FORMATS["cloudflare"].write(EASY).splitlines()
    assert [line.rpartition(";")[2].strip() for line in lines] == ["cf_tags=cf-proxied:false"] * 3


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_csv_is_read_back_by_pythons_own_reader(sheet: Sheet) -> None:
    form = FORMATS["csv"]
    rows = list(csv.DictReader(io.StringIO(form.head + form.write(sheet), newline="")))
    assert [Record(r["name"], r["type"], r["value"], int(r["ttl"])) for r in rows] == list(sheet.records)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_route_53_takes_the_batch(sheet: Sheet) -> None:
    [line] = format_route53(sheet).splitlines()
    batch = json.loads(line)
    operation = (
        botocore.session.get_session()
        .get_service_model("route53")
        .operation_model("ChangeResourceRecordSets")
    )
    given = {"HostedZoneId": "Z1", "ChangeBatch": batch}
    report = ParamValidator().validate(given, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    found = set()
    for change in batch["Changes"]:
        one = change["ResourceRecordSet"]
        [value] = one["ResourceRecords"]
        [rrset] = rrsets(f"x.example. {one['TTL']} IN {one['Type']} {value['Value']}")
        assert all(len(part) <= 255 for rdata in rrset for part in getattr(rdata, "strings", ()))
        plain = b"".join(rrset[0].strings).decode() if one["Type"] == "TXT" else f"{value['Value']}"
        found.add((one["Name"].removesuffix("."), one["Type"], plain))
        assert (change["Action"], one["TTL"]) == ("UPSERT", 1800)
    assert found == wanted(sheet)


def octodns_records(folder: Path, sheet: Sheet) -> set[OctoRecord]:
    """What octoDNS makes of the file, strictly."""
    folder.mkdir(exist_ok=True)
    (folder / f"{sheet.zone}.yaml").write_text(format_octodns(sheet))
    zone = Zone(f"{sheet.zone}.", [])
    YamlProvider("mailseal", str(folder), escaped_semicolons=True).populate(zone, lenient=False)
    return set(zone.records)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_octodns_reads_its_own_format(tmp_path: Path, sheet: Sheet) -> None:
    found = set()
    for record in octodns_records(tmp_path, sheet):
        [value] = getattr(record, "values", None) or [record.value]
        said = f"{value.preference} {value.exchange}" if record._type == "MX" else str(value)
        assert record.ttl == 1800
        found.add((record.fqdn.removesuffix("."), record._type, said.replace("\\;", ";")))
    assert found == wanted(sheet)


def test_octodns_cuts_a_long_text_into_strings(tmp_path: Path) -> None:
    [text] = [one for one in octodns_records(tmp_path, OWN_KEY) if one.name.startswith("s1.")]
    [chunked] = text.chunked_values
    assert chunked.replace('" "', "").strip('"').replace("\\;", ";") == LONG_KEY
    assert max(len(part) for part in chunked.strip('"').split('" "')) <= 255


@settings(max_examples=60, deadline=None)
@given(st.sets(st.text("abcz234567", min_size=1, max_size=8), min_size=2, max_size=12))
def test_octodns_finds_any_names_in_its_own_order(labels: set[str]) -> None:
    records = tuple(Record(f"{one}._domainkey.a.example", "CNAME", "b.example", 60) for one in labels)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        assert len(octodns_records(Path(folder), Sheet("a.example", "a.example", records))) == len(labels)


def unquoted(text: str) -> str:
    """A string of HCL as hcl2 leaves it, to what it says."""
    plain: str = json.loads(text if text.startswith('"') else f'"{text}"')
    return plain.replace("$${", "${").replace("%%{", "%{")


def blocks(text: str, kind: str, resource: str) -> dict[str, dict[str, object]]:
    """The bodies of the blocks of one kind, by their names."""
    found = {}
    for block in hcl2.loads(text)[kind]:
        for of, named in block.items():
            assert of.strip('"') == resource
            found |= {name.strip('"'): body for name, body in named.items()}
    return found


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_terraform_for_route_53(sheet: Sheet) -> None:
    text = FORMATS["terraform"].write(sheet)
    [zone] = blocks(text, "data", "aws_route53_zone").values()
    assert unquoted(str(zone["name"])) == sheet.zone
    found = set()
    for body in blocks(text, "resource", "aws_route53_record").values():
        [value] = [unquoted(str(one)) for one in body["records"]]  # type: ignore[attr-defined]
        # The provider puts the outer quotation marks around a text.
        assert all(len(part) <= 255 for part in value.split('""'))
        if body["type"] in ('"TXT"', "TXT"):
            value = value.replace('""', "").replace('\\"', '"').replace("\\\\", "\\")
        else:
            value += "."
        found.add((unquoted(str(body["name"])), unquoted(str(body["type"])), value))
    assert found == wanted(sheet)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_terraform_for_cloudflare(sheet: Sheet) -> None:
    text = FORMATS["terraform-cloudflare"].write(sheet)
    assert blocks(text, "data", "cloudflare_zone")
    found = set()
    for body in blocks(text, "resource", "cloudflare_dns_record").values():
        value, type_ = unquoted(str(body["content"])), unquoted(str(body["type"]))
        if type_ == "TXT":
            [rrset] = rrsets(f"x.example. 60 IN TXT {value}")
            value = b"".join(rrset[0].strings).decode()
        else:
            value = f"{body['priority']} {value}." if type_ == "MX" else f"{value}."
        assert body["proxied"] is False
        found.add((unquoted(str(body["name"])), type_, value))
    assert found == wanted(sheet)


@pytest.mark.parametrize("word", FORMATS)
def test_many_domains_in_one_file_are_each_of_them(word: str) -> None:
    form = FORMATS[word]
    text = form.head + "".join(form.write(sheet) for sheet in SHEETS)
    expected = Counter(record.value.split()[-1][:40] for sheet in SHEETS for record in sheet.records)
    assert text.endswith("\n")
    assert all(value in text for value in expected if '"' not in value and "{" not in value)
    assert (text.count(form.head) == 1) or not form.head
    if word.startswith("terraform"):
        names = [line.split('"')[3] for line in text.splitlines() if line.startswith("resource")]
        assert len(names) == len(set(names)) == 8


def test_a_name_is_relative_only_to_a_zone_that_it_is_in() -> None:
    assert relative(EASY.records[0].name, EASY.zone).endswith("._domainkey")
    assert relative(APEX.records[0].name, APEX.zone) == ""
    assert relative("a.fernhill.example", "hill.example") == "a.fernhill.example"
