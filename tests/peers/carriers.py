"""Servers that are not ours as secondaries of our zone, configured as docs/operating.md says."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from tests.peers.dns_daemons import child, free_port, knot_configuration

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
ZONE = "dkim.example.net"


def written(language: str, primary: int) -> str:
    """The document's code block in that language, for a primary on a port of this machine."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    for before, after in (
        ("192.0.2.10@53", f"127.0.0.1@{primary}"),
        ("192.0.2.10:53", f"127.0.0.1:{primary}"),
        ("192.0.2.10 port 53", f"127.0.0.1 port {primary}"),
        ("192.0.2.10", "127.0.0.1"),
    ):
        block = block.replace(before, after)
    return str(block)


@contextmanager
def knot(folder: Path, primary: int, *, signing: bool = False) -> Iterator[int]:
    """Knot DNS following the primary, signing where asked for; gives its port."""
    port = free_port()
    asked = written("knot", primary)
    if signing:
        asked = asked[: asked.index("zone:")] + written("knot-signing", primary)
    followed = f"""template:
  - id: default
    storage: "{folder}"
{asked}"""
    configuration = knot_configuration(folder, port, followed)
    with child(["knotd", "-c", str(configuration)], folder / "knot.out"):
        yield port


@contextmanager
def nsd(folder: Path, primary: int) -> Iterator[int]:
    """NSD following the primary; gives its port."""
    port = free_port()
    (folder / "nsd.conf").write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  logfile: "{folder}/nsd.log"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
{written("nsd", primary)}"""
    )
    with child(["nsd", "-d", "-c", str(folder / "nsd.conf")], folder / "nsd.out"):
        yield port


@contextmanager
def bind(folder: Path, primary: int, *, signing: bool = False) -> Iterator[int]:
    """BIND following the primary, signing where asked for; gives its port."""
    port = free_port()
    (folder / "named").mkdir()
    (folder / "named.conf").write_text(
        f"""options {{
    directory "{folder}/named";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    managed-keys-directory "{folder}/named";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    notify no;
    dnssec-validation no;
}};
controls {{ }};
{written("bind-signing" if signing else "bind", primary)}"""
    )
    with child(["named", "-g", "-n", "1", "-c", str(folder / "named.conf")], folder / "named.out"):
        yield port


@contextmanager
def powerdns(folder: Path, primary: int) -> Iterator[int]:
    """PowerDNS following the primary; gives its port."""
    port = free_port()
    (folder / "pdns.conf").write_text(
        f"""launch=gsqlite3
gsqlite3-database={folder}/pdns.sqlite
gsqlite3-dnssec=no
local-address=127.0.0.1
local-port={port}
socket-dir={folder}
secondary=yes
daemon=no
guardian=no
setuid=
setgid=
xfr-cycle-interval=1
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
"""
    )
    schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql").read_text()
    with contextlib.closing(apsw.Connection(str(folder / "pdns.sqlite"))) as database:
        database.execute(schema)
    for line in written("pdns", primary).splitlines():
        program, *arguments = line.split()
        command = [program, f"--config-dir={folder}", *arguments]
        subprocess.run(command, check=True, capture_output=True)
    with child(["pdns_server", f"--config-dir={folder}"], folder / "pdns.out"):
        yield port
