"""GetEmailIdentity on SQLite, SigV4 checked, against uvicorn with an application that does nothing.

Prints `api.get`: requests for a second of one core's time; performance.md asks for 9,000.
"""

from __future__ import annotations

import sys

from _wire import folder, load, report, server, signed

ROUNDS, REQUESTS, IDENTITIES = 5, 4000, 1000
ANSWER_BYTES = 800


def main() -> int:
    """Rounds in turn, ours and the peer's."""
    rounds, count = (1, 400) if "--quick" in sys.argv else (ROUNDS, REQUESTS)
    with (
        folder() as place,
        server("mailseal", place, str(IDENTITIES), "1") as ours,
        server("hello", str(ANSWER_BYTES)) as hello,
    ):
        results: dict[str, list] = {"ours": [], "hello": []}
        for _ in range(rounds):
            for name, target in (("ours", ours), ("hello", hello)):
                paths = (f"/v2/email/identities/d{number % IDENTITIES}.example" for number in range(count))
                results[name].append(load(target, [signed(target.port, "GET", path) for path in paths]))
    report("api.get", results["ours"], results["hello"], of="uvicorn-hello")
    return 0


if __name__ == "__main__":
    sys.exit(main())
