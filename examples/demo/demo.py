"""`./dev demo`: the whole story against a fresh sandbox, told by two AWS SDKs and judged by two verifiers.

Rule: exit code 0 only when no tick is red; what could not be asked is named in its row and in the count.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from time import monotonic

import story
from judges import Dkimpy, OpenDkim
from mails import Post
from sdks import Boto3, JavaScript, Refused, javascript_gap, versions
from stage import Broken, Stage, blank_ticks
from telling import Mark, Screen

from mailseal.sandbox.child import ChildSandbox, SandboxFailed, start_child
from mailseal.sandbox.client import NoSandbox, SandboxClient, SandboxRefusal
from mailseal.sandbox.settings import environment

FRESH = ["--temporary", "--ports", "auto", "--publish-after", "never"]


def main() -> int:
    """The exit code: 0 all shown, 1 something is red, 2 the sandbox did not start."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--without-js", action="store_true", help="tell the story with boto3 alone")
    parser.add_argument("--mails", type=int, default=200, help="how many mails the switch takes; 200")
    options = parser.parse_args()
    began = monotonic()
    gap = "left out by --without-js" if options.without_js else javascript_gap()
    print(f"Mailseal demo  a fresh sandbox, {versions(gap)}\n", flush=True)
    try:
        child = start_child(FRESH)
    except SandboxFailed as failed:
        print(failed, file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            return tell(child, gap, Path(folder), options.mails, began)
    finally:
        child.stop()


def tell(child: ChildSandbox, js_gap: str, folder: Path, mails: int, began: float) -> int:
    """Plays the story in a sandbox that runs, then shows the table."""
    variables = environment(child.place.api_url)
    host, _, port = child.place.customers_dns.rpartition(":")
    judges = (Dkimpy((host, int(port))), OpenDkim((host, int(port)), folder))
    boto = Boto3(variables)
    js = boto if js_gap else JavaScript(variables)
    ticks = blank_ticks(js_gap, judges[1].gap)
    post = Post(boto, Path(child.place.mailbox))
    stage = Stage(Screen(), SandboxClient(child.place.api_url), boto, js, post, judges, ticks, mails)
    fault = ""
    try:
        story.play(stage)
    except (Broken, Refused, SandboxRefusal, NoSandbox) as broken:
        fault = f"{type(broken).__name__}: {broken}"
    finally:
        js.close()
        boto.close()
    stage.screen.table(list(ticks.values()))
    print(f"\n{count_line(stage, monotonic() - began)}")
    if fault:
        print(f"error: the story stopped here: {fault}", file=sys.stderr)
    return 1 if fault or any(tick.mark is Mark.BAD for tick in ticks.values()) else 0


def count_line(stage: Stage, seconds: float) -> str:
    """The closing line: ticks, mails, time."""
    marks = [tick.mark for tick in stage.ticks.values()]
    unasked = marks.count(Mark.NOT_ASKED)
    ticks = f"{marks.count(Mark.GOOD)} of {len(marks)}" + (f", {unasked} not asked" if unasked else "")
    counts = stage.counts
    mails = f"{counts.signed} mails signed, {counts.verified} verified, {counts.unsigned} unsigned"
    return f"{ticks}  {mails}, {seconds:.0f} s. Next: ./dev run"


if __name__ == "__main__":
    sys.exit(main())
