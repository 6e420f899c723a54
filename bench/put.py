"""PutEmailIdentityDkimSigningAttributes on SQLite with synchronous=FULL, against uvicorn doing nothing.

Each request is the first downgrade of an identity, 2048 to 1024 bits, its key waiting in the stock; nothing
is answered before the commit is durable. Prints `api.put.sqlite`; performance.md asks for 5,000 a core, p99
within 10 ms.
"""

from __future__ import annotations

import sys

from _wire import folder, load, report, server, signed

ROUNDS, IDENTITIES = 5, 2000
ANSWER_BYTES = 220
DOWNGRADE = {
    "SigningAttributesOrigin": "AWS_SES",
    "SigningAttributes": {"NextSigningKeyLength": "RSA_1024_BIT"},
}


def main() -> int:
    """Rounds in turn, ours and the peer's; each identity is used once."""
    rounds, identities = (1, 200) if "--quick" in sys.argv else (ROUNDS, IDENTITIES)
    share = identities // rounds
    with (
        folder() as place,
        server("mailseal", place, str(identities), str(identities)) as ours,
        server("hello", str(ANSWER_BYTES)) as hello,
    ):
        results: dict[str, list] = {"ours": [], "hello": []}
        for turn in range(rounds):
            for name, target in (("ours", ours), ("hello", hello)):
                names = range(turn * share, (turn + 1) * share)
                paths = [f"/v2/email/identities/d{number}.example/dkim/signing" for number in names]
                requests = [signed(target.port, "PUT", path, DOWNGRADE) for path in paths]
                results[name].append(load(target, requests * (1 if name == "ours" else 10)))
    report("api.put.sqlite", results["ours"], results["hello"], of="uvicorn-hello")
    return 0


if __name__ == "__main__":
    sys.exit(main())
