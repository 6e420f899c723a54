"""`./dev zero-gap`: the rig by itself, its line printed, exit code 1 where anything was that must not be."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.zero_gap import rig


def main() -> int:
    """The exit code of one run."""
    options = argparse.ArgumentParser(prog="./dev zero-gap", description=__doc__)
    options.add_argument("--full", action="store_true", help="50 domains, 200 rotations, 100 switches")
    options.add_argument("--kill", action="store_true", help="kill -9 of the server again and again")
    options.add_argument("--seed", type=int, default=1, help="of the random choices")
    given = options.parse_args()
    sizes = (rig.SHORT, rig.SHORT_KILLS, rig.FULL, rig.FULL_KILLS)
    with tempfile.TemporaryDirectory(prefix="zero-gap-") as folder:
        outcome = rig.run(Path(folder), sizes[2 * given.full + given.kill], given.seed)
    print(outcome.line)
    for sentence in outcome.tally.wrong:
        print(sentence, file=sys.stderr)
    return int(bool(outcome.never))


if __name__ == "__main__":
    sys.exit(main())
