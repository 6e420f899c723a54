"""PutEmailIdentityDkimSigningAttributes on SQLite with synchronous=FULL, beside uvicorn doing nothing.

Each request is the first downgrade of an identity, 2048 to 1024 bits, its key waiting in the stock; nothing
is answered before the commit is durable. No peer has this operation: MiniStack's and moto's creation of an
identity, without key, proof or durability, stands beside it. Prints `api.put.sqlite`; the aim is 5,000 a core
with p99 within 10 ms.
"""

from __future__ import annotations

import sys

from _peers import IDENTITIES, creations, peers
from _wire import Round, hello, load, mailseal, report, signed

ROUNDS, NAMES = 5, 2000
ANSWER_BYTES = 220
DOWNGRADE = {
    "SigningAttributesOrigin": "AWS_SES",
    "SigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"},
}


def main() -> int:
    """Rounds in turn, ours and the peers'; each identity is used once."""
    rounds, names = (1, 200) if "--quick" in sys.argv else (ROUNDS, NAMES)
    share = names // rounds
    warm = share // 2
    results: dict[str, list[Round]] = {"ours": [], "uvicorn-hello": []}
    total = names + warm
    with (
        mailseal(identities=total, stock_1024=total) as ours,
        hello(ANSWER_BYTES) as nothing,
        peers() as others,
    ):
        load(ours, downgrades(ours.port, range(names, total)))
        for turn in range(rounds):
            numbers = range(turn * share, (turn + 1) * share)
            results["ours"].append(load(ours, downgrades(ours.port, numbers)))
            results["uvicorn-hello"].append(load(nothing, downgrades(nothing.port, numbers) * 10))
            for name, target in others.items():
                wanted = creations(target.port, [f"t{number}.example" for number in numbers])
                results.setdefault(f"{name}-create", []).append(load(target, wanted))
    report("api.put.sqlite", results.pop("ours"), results)
    return 0


def downgrades(port: int, numbers: range) -> list[bytes]:
    """One request for each of these identities."""
    paths = (f"{IDENTITIES}/d{number}.example/dkim/signing" for number in numbers)
    return [signed(port, "PUT", path, DOWNGRADE) for path in paths]


if __name__ == "__main__":
    sys.exit(main())
