"""ListEmailIdentities, a page of 100 among 100,000, beside MiniStack and uvicorn that does nothing.

Pages from the first on, in turn, each by the token of the one before. MiniStack would take minutes to be
filled with as many, and has fewer. Prints `api.list`, in pages for a second of one core's time, and
`api.list.growth`: the CPU of a page among 100,000 over that among 1,000; the aim is within 1.2.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from itertools import cycle, islice
from statistics import median

from _peers import IDENTITIES, peers, seed
from _wire import Round, Server, hello, load, mailseal, report, signed

ROUNDS, REQUESTS = 5, 1000
MANY, FEW, PAGE = 100_000, 1000, 100
PEERS_MANY = 5000
ANSWER_BYTES = 11_500
SLOWER = 20
MOST_PAGES = 50
LIST = "/v2/email/list-identities"


def main() -> int:
    """Rounds in turn, ours and the peers'."""
    quick = "--quick" in sys.argv
    rounds, count, many = (1, 100, 2000) if quick else (ROUNDS, REQUESTS, MANY)
    with (
        mailseal(rows=many) as ours,
        mailseal(rows=FEW) as small,
        hello(ANSWER_BYTES) as nothing,
        peers("ministack") as others,
    ):
        print(
            f"# without moto: it answers ListEmailIdentities with 404; MiniStack has {min(many, PEERS_MANY)}"
        )
        for target in others.values():
            seed(target, min(many, PEERS_MANY))
        targets = {"ours": ours, "small": small, "uvicorn-hello": nothing, **others}
        asked = {name: pages(target, name in others) for name, target in targets.items()}
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for turn in range(rounds + 1):
            for name, target in targets.items():
                share = max(1, count // SLOWER) if name in others else count
                done = load(target, list(islice(cycle(asked[name]), share)))
                # The first turn is warming up.
                results[name] += [done] if turn else []
    mine, little = results.pop("ours"), results.pop("small")
    report("api.list", mine, results)
    growth = median(r.per_core for r in little) / median(r.per_core for r in mine)
    print(f"api.list.growth {growth:.2f} x ratio={growth:.2f} of=1000-identities")
    return 0


def pages(target: Server, is_peer: bool) -> list[bytes]:
    """Requests for the first pages: a peer that knows only the older form is asked by GET."""
    if is_peer:
        return [signed(target.port, "GET", f"{IDENTITIES}?PageSize={PAGE}")]
    found, token = [], None
    while len(found) < MOST_PAGES:
        body = {"PageSize": PAGE} if token is None else {"PageSize": PAGE, "NextToken": token}
        request = signed(target.port, "POST", LIST, body)
        found.append(request)
        token = _token(target.port, request)
        if token is None:
            break
    return found


def _token(port: int, request: bytes) -> str | None:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{LIST}", data=body, headers=headers, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        told = json.loads(answer.read())
    token = told.get("NextToken")
    return token if isinstance(token, str) else None


if __name__ == "__main__":
    sys.exit(main())
