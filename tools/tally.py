"""The closing line of .ci/run: `N passed, N failed`, summed over pytest's result files.

Rule: the exit code is 0 only when every step ended well and at least one test ran.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def main(broken_steps: int, files: list[str]) -> int:
    """Print the line; 1 when anything failed or nothing ran."""
    passed = failed = skipped = 0
    for name in files:
        if not Path(name).is_file():
            continue
        for suite in ET.parse(name).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            left_out = int(suite.get("skipped", 0))
            failed += bad
            skipped += left_out
            passed += int(suite.get("tests", 0)) - bad - left_out
    failed = max(failed, broken_steps)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
