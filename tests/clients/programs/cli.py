"""The AWS command line as a program: a step a line on standard input, its result a line on standard output.

Rule: each step is one command line, run by the driver that `aws` itself runs; only the start of a process
for each is saved. It knows nothing of Mailseal; the AWS_* variables say where to go.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import awscli
from awscli.botocore import xform_name
from awscli.clidriver import create_clidriver
from model import known

_ERROR = re.compile(
    r"An error occurred \((?P<name>\w+)\) when calling the \w+ operation[^:]*: (?P<message>.*)", re.DOTALL
)

TAKEN_OUT = ("ses:VerifyEmailAddress", "ses:DeleteVerifiedEmailAddress", "ses:ListVerifiedEmailAddresses")
"""In the model, and no command of the command line."""


def run(driver: Any, step: dict[str, Any]) -> dict[str, Any]:
    """What `aws sesv2 …` or `aws ses …` gave: its JSON, the error it told, or its words."""
    command = [
        step["service"],
        xform_name(step["operation"], "-"),
        "--region",
        step["region"],
        "--output",
        "json",
    ]
    command += ["--no-paginate", "--cli-input-json", json.dumps(step["input"])]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = driver.main(command)
        except SystemExit as ended:  # what it does about words that it does not know
            code = ended.code
    if code == 0:
        return {"answer": json.loads(out.getvalue() or "{}")}
    told = _ERROR.search(err.getvalue())
    if told is None:
        return {"fault": f"exit code {code}: {err.getvalue().strip()}"}
    return {"error": {**told.groupdict(), "message": told["message"].strip(), "status": None}}


def main() -> None:
    """Serves steps until standard input ends."""
    # One for each region: a driver keeps the region of its first command.
    drivers: defaultdict[str, Any] = defaultdict(create_clidriver)
    session = drivers["us-east-1"].session
    models = (session.get_service_model(service) for service in ("sesv2", "ses"))
    operations = {name: one for name, one in known(*models).items() if name not in TAKEN_OUT}
    told = {"version": awscli.__version__, "known": operations}
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        print(json.dumps(run(drivers[step["region"]], step)), flush=True)


if __name__ == "__main__":
    main()
