"""DNS servers that are not ours, each started as a child on loopback with a configuration of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from mailseal.sandbox.settings import free_ports

_READY_WITHIN_S = 10.0


def dnskeys(zone: str, port: int) -> str:
    """The zone's key-signing key as a trust anchor is written."""
    response = dns.query.udp(dns.message.make_query(zone, "DNSKEY"), "127.0.0.1", port=port, timeout=5)
    [key] = [key for key in response.answer[0] if key.flags == 257]
    return f"{zone}. IN DNSKEY {key.to_text()}"


def free_port() -> int:
    """A port that is free for UDP and TCP on 127.0.0.1 now."""
    return free_ports(1)[0]


@contextmanager
def child(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running program, ended by its pid at the end."""
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, stdout=written, stderr=subprocess.STDOUT, env={**os.environ, "PATH": path}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def wait_until_it_answers(
    port: int, name: str, log: Path, *, even_servfail: bool = False, address: str = "127.0.0.1"
) -> None:
    """Returns at the first good response; fails with the program's own words after 10 s."""
    query = dns.message.make_query(name, "SOA")
    until = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < until:
        try:
            told = dns.query.udp(query, address, port=port, timeout=0.3, ignore_unexpected=True)
            if even_servfail or told.rcode() == dns.rcode.NOERROR:
                return
        except (dns.exception.Timeout, OSError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"nothing answers on port {port}: {log.read_text()}")


@contextmanager
def nsd(folder: Path, apex: str, zone_file: Path) -> Iterator[int]:
    """NSD serving one zone; gives its port."""
    port, log = free_port(), folder / "nsd.log"
    configuration = folder / "nsd.conf"
    configuration.write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  logfile: "{log}"
  server-count: 1
  rrl-ratelimit: 0
  refuse-any: no
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: "{apex}"
  zonefile: "{zone_file}"
"""
    )
    with child(["nsd", "-d", "-c", str(configuration)], folder / "nsd.out"):
        wait_until_it_answers(port, apex, log if log.exists() else folder / "nsd.out")
        yield port


def knot_configuration(folder: Path, port: int, zones: str) -> Path:
    """The file that Knot DNS is started with, for these sections about zones, and the folder it needs."""
    (folder / "knot-db").mkdir()
    configuration = folder / "knot.conf"
    configuration.write_text(
        f"""server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 2
database:
    storage: "{folder}/knot-db"
    journal-db-max-size: 50M
    kasp-db-max-size: 10M
    timer-db-max-size: 1M
control:
    listen: "{folder}/k.sock"
log:
  - target: stdout
    any: info
{zones}"""
    )
    return configuration


@contextmanager
def knot(folder: Path, apex: str, zone_file: Path, more: str = "") -> Iterator[int]:
    """Knot DNS serving one zone, with `more` lines in its section; gives its port."""
    port = free_port()
    served = f"""zone:
  - domain: "{apex}"
    file: "{zone_file}"
    zonefile-sync: -1
    journal-content: none
{more}"""
    configuration = knot_configuration(folder, port, served)
    with child(["knotd", "-c", str(configuration)], folder / "knot.out"):
        wait_until_it_answers(port, apex, folder / "knot.out")
        yield port


@contextmanager
def unbound(folder: Path, forwards: dict[str, int], more: str = "") -> Iterator[int]:
    """A validating Unbound without a trust anchor that asks loopback ports for some zones; gives its port."""
    port = free_port()
    configuration = folder / "unbound.conf"
    stubs = "".join(
        f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{at}\n  stub-first: no\n'
        for zone, at in forwards.items()
    )
    configuration.write_text(
        f"""server:
  interface: 127.0.0.1@{port}
  do-not-query-localhost: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: ""
  num-threads: 1
  module-config: "iterator"
  use-caps-for-id: yes
  ede: yes
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  local-zone: "test." nodefault
{more}
remote-control:
  control-enable: no
{stubs}"""
    )
    with child(["unbound", "-d", "-c", str(configuration)], folder / "unbound.out"):
        wait_until_it_answers(port, next(iter(forwards)), folder / "unbound.out", even_servfail=True)
        yield port


def run(command: Sequence[str]) -> str:
    """What a client program prints, both streams together."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, text=True)
    return done.stdout
