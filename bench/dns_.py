"""DNS answers: queries a second from the database beside NSD, how soon a change is seen, here and at a
secondary, and how long the whole zone takes to get there.

Prints `name value unit ratio=<x> of=<what>`; a peer runs in turn with us (A B A B …), medians of five. Rates
are per second of the server's CPU; wall rates stand beside them. `--long` takes four times as long.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from _child import child, cpu_s
from _dns_child import APEX, TEXT, label

HERE = Path(__file__).resolve().parent
LONG = "--long" in sys.argv
ROUNDS, SECONDS = 5, 4 if LONG else 1
NAMES, HOT = 100_000, 10_000
NSD_PORT, KNOT_PORT = 15353, 15354
TRANSFERS = 3
CHANGES = 1000 if LONG else 200


def main() -> int:
    """The exit code: 0 when all that could be measured was."""
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-") as made:
        folder = Path(made)
        command = [str(HERE / "_dns_child.py"), "ours", made, str(NAMES), str(KNOT_PORT)]
        with child([sys.executable, *command]) as ours:
            port = int(ours.stdout.readline())
            show_visible(ours, "change", port, "dns.visible.embedded", 50)
            show_secondary(ours, port, folder)
            if shutil.which("dnsperf"):
                show_txt(ours, port, folder)
            else:
                print("# dns.txt: not measured, dnsperf is not installed")
    return 0


def show_visible(
    ours: subprocess.Popen[str], word: str, port: int, name: str, bar_ms: int, *, fewer: int = 1
) -> None:
    """From the commit's acknowledgement to the first answer with the new text."""
    took: list[float] = []
    query = dns.message.make_query(f"{label(0)}.{APEX}", "TXT", use_edns=0)
    for number in range(CHANGES // fewer):
        ours.stdin.write(f"{word} {number}\n")
        ours.stdin.flush()
        ours.stdout.readline()
        began = time.perf_counter()
        while True:
            with suppress(dns.exception.Timeout):
                answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=0.1).answer[0][0]
                if answer.strings == (b"p=%d" % number,):
                    break
            if time.perf_counter() - began > 60:
                raise SystemExit(f"{name}: change {number} was not seen within a minute")
        took.append((time.perf_counter() - began) * 1000)
        # A secondary that is told of the next change while it takes the last one may begin all over.
        time.sleep(0.1 * (fewer - 1))
    p99 = sorted(took)[int(len(took) * 0.99)]
    p50 = statistics.median(took)
    print(f"{name} {p99:.2f} ms(p99) ratio={p99 / bar_ms:.3f} of={bar_ms}ms p50={p50:.2f}", flush=True)


def show_secondary(ours: subprocess.Popen[str], port: int, folder: Path) -> None:
    """How long Knot takes to fetch the whole zone from us, and to show a change that it is told of."""
    program = shutil.which("knotd", path=f"/usr/sbin:{os.environ['PATH']}")
    if program is None:
        print("# dns.axfr, dns.visible.secondary: not measured, Knot is not installed")
        return
    took, spent = [], []
    before = rss_mb(ours.pid)
    for number in range(TRANSFERS):
        began, cpu = time.perf_counter(), cpu_s(ours.pid)
        with knot(program, folder / f"knot{number}", port):
            took.append(time.perf_counter() - began)
            spent.append(cpu_s(ours.pid) - cpu)
            if number == TRANSFERS - 1:
                grown = rss_mb(ours.pid) - before
                seconds = statistics.median(took)
                rest = f"cpu={statistics.median(spent):.2f}s grown={grown:.0f}MB"
                print(f"dns.axfr {seconds:.2f} s ratio={seconds / 4:.3f} of=4s {rest}")
                show_visible(ours, "publish", KNOT_PORT, "dns.visible.secondary", 250, fewer=4)


def rss_mb(pid: int) -> float:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def knot(program: str, folder: Path, primary: int) -> Iterator[None]:
    """Knot as our secondary, once it has the whole zone."""
    folder.mkdir()
    (folder / "knot.conf").write_text(
        f'server:\n  rundir: "{folder}"\n  listen: 127.0.0.1@{KNOT_PORT}\n  udp-workers: 1\n'
        f'database:\n  storage: "{folder}"\n  journal-db-max-size: 10M\n  kasp-db-max-size: 10M\n'
        "  timer-db-max-size: 1M\n"
        f'control:\n  listen: "{folder}/k.sock"\nlog:\n  - target: stderr\n    any: error\n'
        f"remote:\n  - id: us\n    address: 127.0.0.1@{primary}\n"
        "acl:\n  - id: us\n    address: 127.0.0.1\n    action: notify\n"
        f'zone:\n  - domain: "{APEX}"\n    file: "{folder}/zone"\n    master: us\n    acl: us\n'
        "    zonefile-sync: -1\n    zonefile-load: none\n    journal-content: none\n"
    )
    with child([program, "-c", str(folder / "knot.conf")]):
        wait_for_soa(KNOT_PORT, 60)
        yield


def show_txt(ours: subprocess.Popen[str], port: int, folder: Path) -> None:
    """Queries a second and core over hot names, and over all names, beside NSD with the same zone."""
    chance = random.Random(1)
    hot = write_queries(folder / "hot", chance.sample(range(NAMES), HOT))
    cold = write_queries(folder / "cold", chance.sample(range(NAMES), NAMES))
    figures: dict[str, list[float]] = {"hot": [], "cold": [], "nsd": []}
    wall: dict[str, list[float]] = {"hot": [], "cold": [], "nsd": []}
    with nsd(folder) as peer:
        # All names only after the hot ones: they would push those out of the cache before each round.
        rounds = [("hot", ours, hot), ("nsd", peer, hot)] * ROUNDS + [("cold", ours, cold)] * ROUNDS
        for name, server, queries in rounds:
            if server is None:
                continue
            before = cpu_s(server.pid)
            count, seconds = dnsperf(port if server is ours else NSD_PORT, queries)
            figures[name].append(count / (cpu_s(server.pid) - before))
            wall[name].append(count / seconds)
    medians = {name: statistics.median(values) for name, values in figures.items() if values}
    for name, figure in (("dns.txt", "hot"), ("dns.txt.uniform", "cold"), ("dns.txt.nsd", "nsd")):
        if figure in medians:
            ratio = f"{medians[figure] / medians['nsd']:.3f}" if "nsd" in medians else "-"
            seen = statistics.median(wall[figure])
            print(f"{name} {medians[figure]:.0f} q/s/core ratio={ratio} of=nsd wall={seen:.0f}q/s")


def write_queries(path: Path, numbers: Sequence[int]) -> Path:
    path.write_text("".join(f"{label(number)}.{APEX} TXT\n" for number in numbers))
    return path


def dnsperf(port: int, queries: Path) -> tuple[int, float]:
    """How many answers came, and in how many seconds."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries)]
    command += ["-l", str(SECONDS), "-q", "200", "-e", "-t", "1"]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    rows = dict(line.strip().split(":", 1) for line in told.splitlines() if ":" in line)
    assert rows["Response codes"].split()[0] == "NOERROR", told
    return int(rows["Queries completed"].split()[0]), float(rows["Run time (s)"])


@contextmanager
def nsd(folder: Path) -> Iterator[subprocess.Popen[str] | None]:
    """NSD with the same zone; None where it is not installed."""
    program = shutil.which("nsd", path=f"/usr/sbin:{os.environ['PATH']}")
    if program is None:
        yield None
        return
    lines = [
        f"{APEX}. 60 SOA ns1 host 1 1 1 1 60",
        f"{APEX}. 60 NS ns1.{APEX}.",
        f"ns1.{APEX}. 60 A 127.0.0.1",
    ]
    strings = " ".join(f'"{TEXT[at : at + 255].decode()}"' for at in range(0, len(TEXT), 255))
    lines += [f"{label(number)}.{APEX}. 1800 TXT {strings}" for number in range(NAMES)]
    (folder / "zone").write_text(f"$ORIGIN {APEX}.\n" + "\n".join(lines) + "\n")
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1@{NSD_PORT}\n username: ""\n database: ""\n zonesdir: "{folder}"\n'
        f' pidfile: "{folder}/nsd.pid"\n xfrdfile: "{folder}/x"\n zonelistfile: "{folder}/l"\n'
        f' logfile: "{folder}/log"\n rrl-ratelimit: 0\n server-count: 1\n minimal-responses: yes\n'
        f'remote-control:\n control-enable: no\nzone:\n name: "{APEX}"\n zonefile: "{folder}/zone"\n'
    )
    with child([program, "-d", "-c", str(folder / "nsd.conf")]) as process:
        wait_for_soa(NSD_PORT, 20)
        yield process


def wait_for_soa(port: int, seconds: float) -> None:
    """Returns once a server has the zone."""
    query = dns.message.make_query(APEX, "SOA")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            if dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2).answer:
                return
        except (dns.exception.Timeout, OSError):
            pass
        time.sleep(0.02)
    raise SystemExit(f"nothing answers for {APEX} on port {port}")


if __name__ == "__main__":
    sys.exit(main())
