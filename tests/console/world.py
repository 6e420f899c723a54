"""A sandbox with an identity in each state that a page tells apart, and a message."""

from __future__ import annotations

import boto3
from botocore.config import Config

from mailseal.sandbox.client import SandboxClient

VERIFIED, WAITING, MISTAKEN, HIDDEN = (
    "harbourlight.example",
    "tidewater.example",
    "fernhill.example",
    "lakeside.example",
)


def populate(client: SandboxClient) -> None:
    """Makes the identities, plays their owners, and sends a message."""
    told = client.ask("GET", "/sandbox/env")["environment"]
    for name in (VERIFIED, WAITING, MISTAKEN, HIDDEN):
        client.ask("POST", "/identities", body={"identity": name})
    client.ask("POST", "/sandbox/dns/publish", body={"domain": VERIFIED})
    for name, mistake in ((MISTAKEN, "DOUBLED_DOMAIN"), (HIDDEN, "FLATTENED")):
        client.ask("POST", "/sandbox/dns/mistake", body={"domain": name, "mistake": mistake})
    client.ask("POST", "/sandbox/clock/advance", body={"by": "10m"})
    for name in (MISTAKEN, HIDDEN):
        client.ask("POST", f"/identities/{name}/check")
    ses = boto3.client(
        "sesv2",
        endpoint_url=told["AWS_ENDPOINT_URL_SESV2"],
        region_name=told["AWS_REGION"],
        aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    content = {"Simple": {"Subject": {"Data": "Your order 2291"}, "Body": {"Text": {"Data": "Hello.\n"}}}}
    sender, to = f"Orders <orders@{VERIFIED}>", {"ToAddresses": ["buyer@example.com"]}
    ses.send_email(FromEmailAddress=sender, Destination=to, Content=content)
    ses.close()
