"""django-anymail's SES backend as a program: a step a line on standard input, its result on standard output.

Rule: `SendEmail` is a mail of Django's through the backend, with members of Django's own; every other
operation is boto3's, since Anymail sends and does nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anymail
import boto3
import django
from anymail.exceptions import AnymailError
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from model import known, refusal

MAIL = ("subject", "body", "from_email", "to", "cc", "bcc", "reply_to", "headers")
ADDED = ("html", "attachments", "tags", "metadata", "merge_data", "envelope_sender")


def send(given: dict[str, Any]) -> dict[str, Any]:
    """What became of one mail."""
    mail = EmailMultiAlternatives(**{name: given[name] for name in MAIL if name in given})
    if "html" in given:
        mail.attach_alternative(given["html"], "text/html")
    for name, content, kind in given.get("attachments", []):
        mail.attach(name, content, kind)
    for name in ("tags", "metadata", "merge_data", "envelope_sender"):
        if name in given:
            setattr(mail, name, given[name])
    try:
        mail.send()
    except AnymailError as error:
        cause = error.__cause__
        return (
            refusal(cause)
            if isinstance(cause, ClientError)
            else {"fault": f"{type(error).__name__}: {error}"}
        )
    return {
        "answer": {"MessageId": mail.anymail_status.message_id, "status": sorted(mail.anymail_status.status)}
    }


def main() -> None:
    """Serves steps until standard input ends."""
    place = {"endpoint_url": os.environ["AWS_ENDPOINT_URL_SESV2"], "region_name": os.environ["AWS_REGION"]}
    once = Config(retries={"total_max_attempts": 1})
    settings.configure(
        EMAIL_BACKEND="anymail.backends.amazon_ses.EmailBackend",
        ANYMAIL={"AMAZON_SES_CLIENT_PARAMS": {**place, "config": once}},
    )
    django.setup()
    client = boto3.client("sesv2", config=once, **place)
    members = {
        **known(client.meta.service_model),
        "SendEmail": {"in": [*MAIL, *ADDED], "out": ["MessageId", "status"]},
    }
    print(json.dumps({"version": anymail.__version__, "known": members}), flush=True)
    for line in sys.stdin:
        step = json.loads(line)
        if step["operation"] == "SendEmail":
            result = send(step["input"])
        else:
            try:
                answer = getattr(client, xform_name(step["operation"]))(**step["input"])
                answer.pop("ResponseMetadata")
                result = {"answer": answer}
            except (ClientError, BotoCoreError) as error:
                result = refusal(error)
        print(json.dumps(result, default=lambda value: value.isoformat()), flush=True)


if __name__ == "__main__":
    main()
