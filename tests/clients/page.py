"""docs/clients.md: the table of what each client could do, written from the results of a run.

Rule: the same results give the same page; nothing of the machine it ran on gets in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.clients.driving import ENVIRONMENTS, Mark, Outcome, Told
from tests.clients.models import described, differences, model_of
from tests.clients.older import OLDER
from tests.clients.peers import ANYMAIL_PEER, GENERATIONS, PEERS, SDKS, TERRAFORM_PEER
from tests.clients.scenario import BOTH_APIS, OLDER_TITLE, SECTIONS
from tests.clients.story import Step

TOLD = ENVIRONMENTS / "told"
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "clients.md"
INTRODUCTION = """\
# Clients

Made by `./dev test-clients` from a run of unmodified clients against a sandbox; CI fails when it is stale.

✓ did what SES would do. – this client's model does not know the operation or a member that the step sends. ✗
went wrong. · Mailseal does not serve the operation yet. Members that a client does not know are in the last
part of this page: what it cannot send or read, nobody can test with it.
"""


def keep(told: Told) -> None:
    """The results of one client, for the page."""
    TOLD.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(told), ensure_ascii=False)
    (TOLD / f"{told.client}.json").write_text(text, encoding="utf-8")


def kept(client: str) -> Told:
    """What was kept of a client's last run."""
    found = json.loads((TOLD / f"{client}.json").read_text(encoding="utf-8"))
    outcomes = (
        Outcome(one["step"], Mark(one["mark"]), one["words"], tuple(one["unknown"]))
        for one in found["outcomes"]
    )
    return Told(found["client"], found["version"], tuple(outcomes))


def page() -> str:
    """The whole page; raises FileNotFoundError where a client has not run."""
    sdks = [kept(peer.name) for peer in SDKS]
    parts = [INTRODUCTION, "## Versions\n", *_versions([kept(peer.name) for peer in PEERS])]
    for title, scenes in SECTIONS.items():
        steps = [scene.name for scene in scenes if isinstance(scene, Step)]
        parts += [f"\n## {title}\n", *_table(sdks, steps)]
    older = [told for peer, told in zip(SDKS, sdks, strict=True) if peer.scenes is BOTH_APIS]
    parts += [f"\n## {OLDER_TITLE}\n", *_table(older, [one.name for one in OLDER if isinstance(one, Step)])]
    for peer, title in ((ANYMAIL_PEER, "django-anymail"), (TERRAFORM_PEER, "Terraform's provider")):
        one = kept(peer.name)
        parts += [f"\n## {title}\n", *_table([one], [outcome.step for outcome in one.outcomes])]
    parts += ["\n## Members that a client does not know\n", *_unknown(sdks)]
    parts += ["\n## Our shapes and the models of botocore\n", *_models()]
    return "\n".join(parts) + "\n"


def _versions(told: Sequence[Told]) -> list[str]:
    rows = [f"| {one.client} | {one.version.partition(' (node')[0]} |" for one in told]
    return ["| client | version |", "|---|---|", *rows]


def _table(told: Sequence[Told], steps: Iterable[str]) -> list[str]:
    marks = [{outcome.step: outcome.mark for outcome in one.outcomes} for one in told]
    head = [f"| step | {' | '.join(one.client for one in told)} |", f"|---|{':-:|' * len(told)}"]
    return head + [f"| {step} | {' | '.join(mark[step] for mark in marks)} |" for step in steps]


def _unknown(told: Sequence[Told]) -> list[str]:
    rows = []
    for one in told:
        names = sorted({name for outcome in one.outcomes for name in outcome.unknown})
        rows.append(f"| {one.client} | {', '.join(f'`{name}`' for name in names) or 'none'} |")
    return ["| client | members |", "|---|---|", *rows]


def _models() -> list[str]:
    where: dict[str, list[str]] = {}
    for generation in GENERATIONS:
        model = model_of(generation)
        for operation, ours in sorted(described().items()):
            for row in differences(model, operation, ours):
                where.setdefault(row, []).append(generation)
    head = [
        "What the inputs of the operations are in each model (it), where Mailseal checks something else.",
        "",
    ]
    head += [f"| difference | {' | '.join(GENERATIONS)} |", f"|---|{':-:|' * len(GENERATIONS)}"]
    return head + [_row(row, found) for row, found in sorted(where.items())]


def _row(difference: str, found: Sequence[str]) -> str:
    cells = ("•" if generation in found else "" for generation in GENERATIONS)
    return f"| {difference.replace('|', chr(92) + '|')} | {' | '.join(cells)} |"


def main() -> int:
    """Writes the page, if every client has run; else 1."""
    try:
        text = page()
    except FileNotFoundError as missing:
        print(f"docs/clients.md stays as it is: {Path(missing.filename).stem} has not run")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print("Next: git diff docs/clients.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
