"""boto3 as a program: a step a line on standard input, its result a line on standard output.

Rule: knows nothing of Mailseal; the AWS_* variables say where to go. Runs in the environment of one
generation of boto3, so it uses nothing newer than the oldest of them.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import boto3
import botocore
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from model import known, refusal


def main() -> None:
    """Serves steps until standard input ends."""
    clients: dict[tuple[str, str], Any] = {}

    def client(service: str, region: str) -> Any:
        if (service, region) not in clients:
            once = Config(retries={"total_max_attempts": 1})
            # The oldest generation does not know the variable.
            place = {"endpoint_url": os.environ["AWS_ENDPOINT_URL_SESV2"], "region_name": region}
            clients[service, region] = boto3.client(service, config=once, **place)
        return clients[service, region]

    versions = f"{boto3.__version__} (botocore {botocore.__version__})"
    models = (client(service, "us-east-1").meta.service_model for service in ("sesv2", "ses"))
    print(json.dumps({"version": versions, "known": known(*models)}), flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        operation = getattr(client(step["service"], step["region"]), xform_name(step["operation"]))
        try:
            answer = operation(**step["input"])
            answer.pop("ResponseMetadata")
            result = {"answer": answer}
        except (ClientError, BotoCoreError) as error:
            result = refusal(error)
        print(json.dumps(result, default=lambda value: value.isoformat()), flush=True)


if __name__ == "__main__":
    main()
