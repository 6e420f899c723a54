"""Lines and counts: what may be said, and what never is."""

from __future__ import annotations

import base64
import json
import logging
import random
from datetime import UTC, datetime

import pytest

from mailseal.telemetry import (
    LibraryLog,
    Line,
    Request,
    Telemetry,
    format_human,
    format_json,
    format_metrics,
    redacted,
)

AT = datetime(2026, 11, 23, 14, 3, 11, 83000, tzinfo=UTC)


def heard() -> tuple[Telemetry, list[Line]]:
    lines: list[Line] = []
    return Telemetry(lines.append, lambda: AT), lines


def test_a_request_reads_as_the_sandbox_shows_it() -> None:
    telemetry, lines = heard()
    telemetry.request(Request(AT, "r", "CreateEmailIdentity", "POST", 200, 0.0142, identity="example.com"))
    assert format_human(lines[0]) == "14:03:11Z  CreateEmailIdentity  200  example.com  14 ms"


def test_a_check_reads_as_the_sandbox_shows_it() -> None:
    telemetry, lines = heard()
    telemetry.say("check", identity="example.com", text="PENDING → SUCCESS")
    assert format_human(lines[0]) == "14:03:11Z  check                example.com: PENDING → SUCCESS"


def test_a_hostile_name_is_shown_and_not_obeyed() -> None:
    telemetry, lines = heard()
    telemetry.request(Request(AT, "r", "GetEmailIdentity", "GET", 404, 0.001, identity="a\u202eb\x1b[2J"))
    assert "a\\u202eb\\x1b[2J" in format_human(lines[0])
    assert "\u202e" not in format_json(lines[0])


def test_a_line_for_a_service_is_one_json_object() -> None:
    telemetry, lines = heard()
    telemetry.say("ready", api="http://127.0.0.1:8080", text=None)
    told = json.loads(format_json(lines[0]))
    assert told == {"event": "ready", "at": "2026-11-23T14:03:11.083Z", "api": "http://127.0.0.1:8080"}


def test_a_field_that_is_not_on_the_list_is_refused() -> None:
    telemetry, _ = heard()
    with pytest.raises(ValueError, match="private_key"):
        telemetry.say("request", private_key="MII")


def test_a_fault_tells_its_place_and_no_key() -> None:
    telemetry, lines = heard()
    with telemetry.surviving("worker") as turn:
        raise RuntimeError("could not load " + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 3 + "\nnext line")
    assert turn.failed
    fields = lines[0].fields
    assert (fields["where"], fields["fault"]) == ("worker", "RuntimeError")
    assert "MIIE" not in format_json(lines[0])
    assert "test_a_fault_tells_its_place_and_no_key" in str(fields["detail"])
    assert "\n" not in str(fields["detail"])


def test_what_ends_a_task_on_purpose_goes_through() -> None:
    telemetry, lines = heard()
    with pytest.raises(KeyboardInterrupt), telemetry.surviving("worker"):
        raise KeyboardInterrupt
    assert lines == []


def test_redaction_leaves_words_alone() -> None:
    assert redacted("no such table: keys") == "no such table: keys"
    assert redacted("a" * 41) == "[41 characters]"


def test_counts_come_out_in_prometheus_text_form() -> None:
    telemetry, _ = heard()
    telemetry.request(Request(AT, "r", "SendEmail", "POST", 200, 0.5))
    telemetry.request(Request(AT, "r", "SendEmail", "POST", 200, 0.25))
    page = format_metrics(telemetry).splitlines()
    assert 'mailseal_requests_total{operation="SendEmail",status="200"} 2' in page
    assert 'mailseal_request_seconds_total{operation="SendEmail"} 0.75' in page
    assert "# TYPE mailseal_faults_total counter" in page


def test_a_level_is_where_it_stands_and_not_a_sum() -> None:
    telemetry, _ = heard()
    for level in (200, 199):
        telemetry.level("mailseal_stock_keys", level, bits="2048")
    page = format_metrics(telemetry).splitlines()
    assert 'mailseal_stock_keys{bits="2048"} 199' in page
    assert "# TYPE mailseal_stock_keys gauge" in page


def test_a_histogram_counts_each_value_in_every_bucket_that_holds_it() -> None:
    telemetry, _ = heard()
    for seconds in (0.004, 0.3, 99.0):
        telemetry.observe("mailseal_nexthop_seconds", seconds, outcome="taken")
    page = format_metrics(telemetry).splitlines()
    start = page.index("# TYPE mailseal_nexthop_seconds histogram") + 1
    told = [line.partition("{")[2].replace('outcome="taken"', "").strip(",") for line in page[start:][:15]]
    assert told == [
        *('le="0.005"} 1', 'le="0.01"} 1', 'le="0.025"} 1', 'le="0.05"} 1', 'le="0.1"} 1', 'le="0.25"} 1'),
        *('le="0.5"} 2', 'le="1"} 2', 'le="2.5"} 2', 'le="5"} 2', 'le="10"} 2', 'le="30"} 2', 'le="+Inf"} 3'),
        *("} 3", "} 99.304"),
    ]


def test_what_is_no_histogram_is_not_observed() -> None:
    telemetry, _ = heard()
    with pytest.raises(KeyError):
        telemetry.observe("mailseal_faults_total", 1.0)


def test_a_metric_without_a_sentence_is_refused() -> None:
    telemetry, _ = heard()
    with pytest.raises(KeyError):
        telemetry.count("mailseal_surprises_total")


def test_warnings_of_libraries_become_lines() -> None:
    telemetry, lines = heard()
    logger = logging.getLogger("some.library")
    handler = LibraryLog(telemetry)
    logger.addHandler(handler)
    logger.info("started")
    logger.warning("odd %s", "request")
    logger.removeHandler(handler)
    assert [line.fields["text"] for line in lines] == ["odd request"]


def test_no_field_holds_what_could_be_a_key_and_paths_stay_whole() -> None:
    lines: list[Line] = []
    telemetry = Telemetry(lines.append, lambda: datetime(2026, 11, 23, tzinfo=UTC))
    key = base64.b64encode(random.Random(1).randbytes(600)).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----"
    for sent in (key, pem, key[:64], f"{key}@example.com", key[:64] + "\n" + key[64:90]):
        telemetry.say("check", identity=sent, text=f"x {sent}")
        shown = f"{lines[-1].fields['identity']} {lines[-1].fields['text']}"
        assert not any(key[at : at + 8] in shown for at in range(len(key) - 8)), shown
        assert "characters]" in shown
    path = "/srv/mailseal/" + "data/of/one/installation/" * 4 + "control.sock"
    name = "a-label-of-sixty-three-characters-which-is-the-longest-there-can"[:63] + ".example.com"
    telemetry.say("ready", control=path, identity=name)
    assert (lines[-1].fields["control"], lines[-1].fields["identity"]) == (path, name)
