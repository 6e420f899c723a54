"""GetEmailIdentity on SQLite, SigV4 checked, beside MiniStack, moto, and uvicorn that does nothing.

Prints `api.get`: requests for a second of one core's time; the aim is 9,000.
"""

from __future__ import annotations

import sys

from _peers import IDENTITIES, peers, seed
from _wire import Round, hello, load, mailseal, report, signed

ROUNDS, REQUESTS, NAMES = 5, 4000, 1000
ANSWER_BYTES = 800
SLOWER = 8
"""What a peer is asked is fewer by this, so that a round takes it as long."""


def main() -> int:
    """Rounds in turn, ours and the peers'."""
    quick = "--quick" in sys.argv
    rounds, count, names = (1, 400, 100) if quick else (ROUNDS, REQUESTS, NAMES)
    with mailseal(identities=names) as ours, hello(ANSWER_BYTES) as nothing, peers() as others:
        targets = {"ours": ours, "uvicorn-hello": nothing, **others}
        for target in others.values():
            seed(target, names)
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for turn in range(rounds + 1):
            for name, target in targets.items():
                share = count // SLOWER if name in others else count
                paths = (f"{IDENTITIES}/d{number % names}.example" for number in range(share))
                done = load(target, [signed(target.port, "GET", path) for path in paths])
                # The first turn is warming up.
                results[name] += [done] if turn else []
    report("api.get", results.pop("ours"), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
