"""What a running Mailseal tells those who watch over it: metrics, readiness, and lines with request ids."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mailseal.sandbox.settings import Ports
from mailseal.telemetry import METRICS
from tests.journeys.rig import Rig

DOMAIN = "example.com"


@pytest.fixture
def port() -> int:
    return Ports.free().api


@pytest.fixture
def rig(tmp_path: Path, port: int) -> Iterator[Rig]:
    rig = Rig(tmp_path, api=f'metrics = "127.0.0.1:{port}"')
    rig.start()
    try:
        yield rig
    finally:
        rig.close()


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def metrics(port: int) -> dict[str, float]:
    lines = page(port, "/metrics")[1].splitlines()
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if x[0] != "#")}


def mail(sender: str) -> dict[str, Any]:
    text = {"Data": "hello"}
    return {
        "FromEmailAddress": sender,
        "Destination": {"ToAddresses": ["you@example.net"]},
        "Content": {"Simple": {"Subject": text, "Body": {"Text": text}}},
    }


def test_what_happened_can_be_read_from_the_page_of_metrics(rig: Rig, port: int) -> None:
    ses = rig.client()
    ses.create_email_identity(EmailIdentity=DOMAIN)
    waiting = metrics(port)
    assert waiting["mailseal_due_checks"] in (0, 1)
    rig.publish(DOMAIN)
    rig.advance(seconds=60, steps=10)
    sent = ses.send_email(**mail(f"me@{DOMAIN}"))
    with pytest.raises(ClientError, match="not verified"):
        ses.send_email(**mail("me@elsewhere.example"))
    told = metrics(port)
    assert told['mailseal_signatures_total{door="api",outcome="signed"}'] == 1
    assert told['mailseal_signatures_total{door="api",outcome="MessageRejected"}'] == 1
    assert told['mailseal_requests_total{operation="SendEmail",status="200"}'] == 1
    assert told['mailseal_requests_total{operation="SendEmail",status="400"}'] == 1
    assert told['mailseal_nexthop_seconds_bucket{outcome="taken",le="+Inf"}'] == 1
    assert told['mailseal_checks_total{found="POSITIVE",status="SUCCESS"}'] >= 1
    assert told['mailseal_ready{part="database"}'] == 1
    assert told["mailseal_unpublished_names"] == 0
    assert told["mailseal_due_seconds"] >= 0
    [line] = [line for line in rig.lines if line.fields.get("status") == 200 and is_sending(line)]
    assert line.fields["request_id"] == sent["ResponseMetadata"]["RequestId"]


def is_sending(line: Any) -> bool:
    return bool(line.event == "request" and line.fields["operation"] == "SendEmail")


def test_every_metric_on_the_page_has_a_sentence_and_a_type(rig: Rig, port: int) -> None:
    rig.client().create_email_identity(EmailIdentity=DOMAIN)
    lines = page(port, "/metrics")[1].splitlines()
    described = {line.split()[2] for line in lines if line.startswith("# HELP")}
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert described == typed.keys() == METRICS.keys()
    assert typed["mailseal_nexthop_seconds"] == "histogram"


def test_ready_and_alive_are_told_without_a_key(rig: Rig, port: int) -> None:
    assert page(port, "/healthz") == page(port, "/readyz") == (200, '{"status":"ok"}')
    assert page(port, "/anything")[0] == 404
    rig.call(lambda: rig.app.store.write(lambda tx: tx.installation.put("master_key_check", b"another")))
    status, told = page(port, "/readyz")
    assert status == 503
    assert list(json.loads(told)["not_ready"]) == ["master key"]
    assert page(port, "/healthz")[0] == 200, "a process that is not ready lives all the same"
    assert metrics(port)['mailseal_ready{part="master key"}'] == 0
