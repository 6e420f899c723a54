"""DNS answers: queries a second from the database beside NSD, and how soon a change is seen.

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
from contextlib import contextmanager
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
CHANGES = 1000 if LONG else 200


def main() -> int:
    """The exit code: 0 when all that could be measured was."""
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-") as made:
        folder = Path(made)
        with child([sys.executable, str(HERE / "_dns_child.py"), "ours", made, str(NAMES)]) as ours:
            port = int(ours.stdout.readline())
            show_visible(ours, port)
            if shutil.which("dnsperf"):
                show_txt(ours, port, folder)
            else:
                print("# dns.txt: not measured, dnsperf is not installed")
    return 0


def show_visible(ours: subprocess.Popen[str], port: int) -> None:
    """From the commit's acknowledgement to the first answer with the new text."""
    took: list[float] = []
    query = dns.message.make_query(f"{label(0)}.{APEX}", "TXT", use_edns=0)
    for number in range(CHANGES):
        ours.stdin.write(f"change {number}\n")
        ours.stdin.flush()
        ours.stdout.readline()
        began = time.perf_counter()
        while True:
            answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=5).answer[0][0]
            if answer.strings == (b"p=%d" % number,):
                break
        took.append((time.perf_counter() - began) * 1000)
    p99 = sorted(took)[int(len(took) * 0.99)]
    p50 = statistics.median(took)
    print(f"dns.visible.embedded {p99:.2f} ms(p99) ratio={p99 / 50:.3f} of=50ms p50={p50:.2f}")


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


NSD_PORT = 15353


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
        query = dns.message.make_query(APEX, "SOA")
        for _ in range(100):
            try:
                dns.query.udp(query, "127.0.0.1", port=NSD_PORT, timeout=0.2)
                break
            except (dns.exception.Timeout, OSError):
                time.sleep(0.1)
        yield process


if __name__ == "__main__":
    sys.exit(main())
