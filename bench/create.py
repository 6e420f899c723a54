"""CreateEmailIdentity on SQLite, each identity with a real key, beside MiniStack, moto and uvicorn.

Prints `api.create` with keys from the stock; `api.create.sustained`, without a stock, against the making of
keys alone, in CPU time; `api.create.refill`, GetEmailIdentity's rate while the stock is being refilled
against its rate while nobody makes keys. The aims are p99 within 10 ms, 0.9, and 0.9.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from statistics import median

from _child import cpu_s
from _peers import IDENTITIES, creations, peers
from _wire import Round, Server, hello, load, mailseal, report, signed
from cryptography.hazmat.primitives.asymmetric import rsa

ROUNDS, SHARE, KEYS, GETS = 5, 500, 200, 2000
ANSWER_BYTES = 420


def main() -> int:
    """All three figures."""
    quick = "--quick" in sys.argv
    rounds, share, keys, gets = (1, 100, 10, 400) if quick else (ROUNDS, SHARE, KEYS, GETS)
    from_stock(rounds, share)
    sustained(keys)
    while_refilling(max(2, rounds), gets)
    return 0


def from_stock(rounds: int, share: int) -> None:
    """Rounds in turn, ours and the peers', names never used before."""
    with (
        mailseal(stock_2048=share * (rounds + 1)) as ours,
        hello(ANSWER_BYTES) as nothing,
        peers() as others,
    ):
        targets = {"ours": ours, "uvicorn-hello": nothing, **others}
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for turn in range(rounds + 1):
            names = [f"t{turn}-{number}.example" for number in range(share)]
            for name, target in targets.items():
                done = load(target, creations(target.port, names) * (10 if name == "uvicorn-hello" else 1))
                # The first turn is warming up.
                results[name] += [done] if turn else []
    report("api.create", results.pop("ours"), results)


def sustained(keys: int) -> None:
    """Creations without a stock, and as many keys made by nobody but the library."""
    with mailseal() as ours:
        load(ours, creations(ours.port, ["warm.example"]), connections=1)
        before, began = cpu_s(ours.pid), time.perf_counter()
        load(ours, creations(ours.port, [f"s{number}.example" for number in range(keys)]), connections=8)
        spent, wall = cpu_s(ours.pid) - before, time.perf_counter() - began
    began_cpu = time.process_time()
    for _ in range(keys):
        rsa.generate_private_key(65537, 2048)
    alone = time.process_time() - began_cpu
    rate = keys / spent
    print(
        f"api.create.sustained {rate:.1f} identities/s/core ratio={alone / spent:.2f} of=key-generation "
        f"peer={keys / alone:.1f} wall={keys / wall:.1f}/s",
        flush=True,
    )


def while_refilling(rounds: int, gets: int) -> None:
    """Rounds in turn with the making of keys going on and standing still."""
    rates: dict[str, list[float]] = {"refilling": [], "still": []}
    with mailseal(identities=100, refills=1) as ours:
        time.sleep(1)
        for turn in range(rounds + 1):
            for name, what in (("refilling", signal.SIGCONT), ("still", signal.SIGSTOP)):
                for child in children(ours):
                    os.kill(child, what)
                paths = [f"{IDENTITIES}/d{number % 100}.example" for number in range(gets)]
                done = load(ours, [signed(ours.port, "GET", path) for path in paths])
                rates[name] += [done.requests / done.wall_seconds] if turn else []
        for child in children(ours):
            os.kill(child, signal.SIGCONT)
    busy, still = median(rates["refilling"]), median(rates["still"])
    print(f"api.create.refill {busy:.0f} requests/s ratio={busy / still:.2f} of=no-refill peer={still:.0f}")


def children(server: Server) -> list[int]:
    """The server's own processes, which make keys."""
    listed = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


if __name__ == "__main__":
    sys.exit(main())
