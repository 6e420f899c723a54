"""The zone file and the script for nsupdate, given to BIND: it takes them, and answers what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from mailseal.handoff.formats import FORMATS
from mailseal.handoff.records import Record, Sheet
from tests.peers.dns_daemons import child, free_port, wait_until_it_answers
from tests.unit.handoff.sheets import APEX, EASY, OWN_KEY, SHEETS

TOP = "{zone}. 300 IN SOA ns.{zone}. who.{zone}. 1 300 60 1209600 60\n{zone}. IN NS ns.elsewhere.example.\n"


def zone_file(folder: Path, zone: str, text: str = "") -> Path:
    """A zone with these lines in it."""
    path = folder / f"{zone}.zone"
    path.write_text(TOP.format(zone=zone) + text)
    return path


@pytest.mark.needs_debian("bind9-utils")
@pytest.mark.parametrize("word", ["zone", "cloudflare"])
@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.zone)
def test_binds_own_check_finds_nothing_in_a_zone_file(tmp_path: Path, word: str, sheet: Sheet) -> None:
    path = zone_file(tmp_path, sheet.zone, FORMATS[word].write(sheet))
    command = ["/usr/bin/named-checkzone", "-D", "-i", "local", sheet.zone, str(path)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # With -D it prints every record that it has read: none was dropped, none got an origin appended.
    read = {line.split()[0] for line in checked.stdout.splitlines() if line.split()}
    assert {f"{record.name}." for record in sheet.records} <= read


@contextmanager
def updatable(folder: Path, *zones: str) -> Iterator[int]:
    """BIND that takes updates of these zones from loopback; gives its port."""
    port = free_port()
    for zone in zones:
        zone_file(folder, zone)
    written = "".join(
        f'zone "{zone}" {{ type primary; file "{folder}/{zone}.zone"; allow-update {{ 127.0.0.1; }}; }};\n'
        for zone in zones
    )
    (folder / "named.conf").write_text(
        f"""options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    managed-keys-directory "{folder}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    notify no;
    dnssec-validation no;
}};
controls {{ }};
{written}"""
    )
    with child(["named", "-g", "-n", "1", "-c", str(folder / "named.conf")], folder / "named.out"):
        wait_until_it_answers(port, zones[0], folder / "named.out")
        yield port


def update(port: int, *sheets: Sheet) -> None:
    """Runs nsupdate with the scripts of these sheets, one after the other in one file."""
    script = f"server 127.0.0.1 {port}\n" + "".join(FORMATS["nsupdate"].write(sheet) for sheet in sheets)
    done = subprocess.run(
        ["/usr/bin/nsupdate", "-v"], input=script, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def answers(port: int, record: Record) -> set[str]:
    """All values that stand at a record's name and type."""
    query = dns.message.make_query(record.name, record.type)
    response = dns.query.tcp(query, "127.0.0.1", port=port, timeout=5)
    return {
        b"".join(rdata.strings).decode() if rdata.rdtype == dns.rdatatype.TXT else rdata.to_text()
        for rrset in response.answer
        for rdata in rrset
    }


@pytest.mark.needs_debian("bind9", "bind9-dnsutils")
def test_bind_answers_what_nsupdate_was_given(tmp_path: Path) -> None:
    with updatable(tmp_path, EASY.zone, APEX.zone) as port:
        update(port, *SHEETS)
        for record in (record for sheet in SHEETS for record in sheet.records):
            expected = record.value if record.type == "TXT" else f"{record.value}."
            assert answers(port, record) == {expected}


@pytest.mark.needs_debian("bind9", "bind9-dnsutils")
def test_nsupdate_replaces_an_older_key_and_does_not_stand_it_beside_the_new_one(tmp_path: Path) -> None:
    key = OWN_KEY.records[0]
    older = Record(key.name, "TXT", "v=DKIM1; p=b2xk", 1800)
    with updatable(tmp_path, OWN_KEY.zone) as port:
        update(port, Sheet(OWN_KEY.identity, OWN_KEY.zone, (older,)))
        assert answers(port, key) == {older.value}
        update(port, OWN_KEY)
        assert answers(port, key) == {key.value}
