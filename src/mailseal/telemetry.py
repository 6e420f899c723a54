"""What the program says about itself: one line for each thing that happened, and counts of them.

Rule: a field that is not on the list is not written, so nothing secret can slip into a line; names of fields
and of metrics stand here and nowhere else. Where lines go is the caller's choice.
References: docs/operating.md; docs/decisions/0008-no-logging-library.md.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

Value = str | int | float | bool | None
Sample = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name and its labels in their order."""

FIELDS = frozenset(
    {
        "access_key_id", "account", "api", "bits", "control", "count", "data", "detail", "dns", "error",
        "fault", "hosted_zone", "identity", "method", "milter", "ms", "operation", "pid", "region",
        "request_id", "status", "text", "version", "where",
    }
)  # fmt: skip
"""All that a line may say besides its time and its event."""

METRICS: Mapping[str, str] = {
    "mailseal_requests_total": "Requests answered, by operation and HTTP status.",
    "mailseal_request_seconds_total": "Seconds spent on requests, by operation.",
    "mailseal_checks_total": "Checks of customers' DNS, by what was found and the status they ended in.",
    "mailseal_due_checks": "Checks that are due and not begun, counted up to 10,000.",
    "mailseal_due_seconds": "For how long the oldest of them has been due.",
    "mailseal_signatures_total": "Messages signed, or why not, by the door they came in by.",
    "mailseal_nexthop_seconds": "Seconds in which the next hop answered for a message, by its answer.",
    "mailseal_unpublished_names": "Owner names whose change is not published yet, counted up to 1,000.",
    "mailseal_server_lag_seconds": "Age of the oldest serial that a server has not shown yet, by zone.",
    "mailseal_server_serials_behind": "Serials by which a server is behind ours, by zone.",
    "mailseal_zone_serial": "The serial of a zone of ours.",
    "mailseal_ready": "1 where /readyz would say that this part is ready, else 0.",
    "mailseal_published_names_total": "Owner names whose answer was changed in our zone.",
    "mailseal_engine_signatures_total": "Signatures where batches are on, by how they were made.",
    "mailseal_keys_made_total": "RSA key pairs made, by length.",
    "mailseal_stock_keys": "Key pairs that wait in the stock, by length.",
    "mailseal_stock_target_keys": "Key pairs that are to wait in the stock, by length.",
    "mailseal_stock_misses_total": "Calls that found no key in the stock and waited for one, by length.",
    "mailseal_submission_sign_ins_refused_total": "Passwords refused on the submission port.",
    "mailseal_alarms_total": "Sealed rows that did not open where they lie.",
    "mailseal_milter_connections_total": "Connections of MTAs to the milter, by what became of them.",
    "mailseal_milter_letters_total": "Letters that passed the milter: signed, deferred, or why unsigned.",
    "mailseal_milter_remembered_total": "Letters signed as the database last said, while it did not answer.",
    "mailseal_faults_total": "Faults of ours, by where they happened.",
}

HISTOGRAMS: Mapping[str, tuple[float, ...]] = {
    "mailseal_nexthop_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
}
"""The upper bounds of those metrics that are counted by size."""

_EVENT_WIDTH = 19
# Longer than any name's part: somebody has sent a key in the place of a name.
_COULD_BE_A_KEY = re.compile(r"-----BEGIN[\s\S]*|(?:[A-Za-z0-9+/=_-]{64,}\s*)+[A-Za-z0-9+/=_-]*")
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{40,}")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    event: str
    fields: Mapping[str, Value]


Sink = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request, as its line tells it."""

    at: datetime
    request_id: str
    operation: str
    method: str
    status: int
    seconds: float
    identity: str | None = None
    account: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    error: str | None = None


class Telemetry:
    """Writes lines to a sink and keeps the counts; safe on one event loop."""

    def __init__(self, sink: Sink, clock: Callable[[], datetime]) -> None:
        self._sink = sink
        self._clock = clock
        self.counts: dict[Sample, float] = {}

    def say(self, event: str, **fields: Value) -> None:
        """Writes one line; raises ValueError for a field that is not on the list."""
        unknown = fields.keys() - FIELDS
        if unknown:
            raise ValueError(f"not on the list of fields: {', '.join(sorted(unknown))}")
        self._write(self._clock(), event, fields)

    def count(self, metric: str, amount: float = 1, /, **labels: str) -> None:
        """Adds to a metric; raises KeyError for one that has no sentence."""
        METRICS[metric]
        self._add((metric, tuple(sorted(labels.items()))), amount)

    def level(self, metric: str, value: float, /, **labels: str) -> None:
        """Says where something stands now; raises KeyError for a metric that has no sentence."""
        METRICS[metric]
        self.counts[(metric, tuple(sorted(labels.items())))] = value

    def observe(self, metric: str, value: float, /, **labels: str) -> None:
        """Adds one value to a histogram; raises KeyError for a metric that is none."""
        at = tuple(sorted(labels.items()))
        for bound in HISTOGRAMS[metric]:
            self._add((f"{metric}_bucket", (*at, ("le", f"{bound:g}"))), value <= bound)
        self._add((f"{metric}_bucket", (*at, ("le", "+Inf"))), 1)
        self._add((f"{metric}_sum", at), value)
        self._add((f"{metric}_count", at), 1)

    def _add(self, key: Sample, amount: float) -> None:
        self.counts[key] = self.counts.get(key, 0) + amount

    def request(self, done: Request) -> None:
        """The one line of a request, and its counts."""
        operation = ("operation", done.operation)
        self._add(("mailseal_requests_total", (operation, ("status", str(done.status)))), 1)
        self._add(("mailseal_request_seconds_total", (operation,)), done.seconds)
        fields: dict[str, Value] = {
            "operation": done.operation,
            "status": done.status,
            "identity": done.identity,
            "ms": round(done.seconds * 1000, 1),
            "account": done.account,
            "region": done.region,
            "access_key_id": done.access_key_id,
            "error": done.error,
            "request_id": done.request_id,
        }
        self._write(done.at, "request", fields)

    def fault(self, where: str, fault: BaseException, *, request_id: str | None = None) -> None:
        """A fault of ours: its kind and where it came from; texts from outside are cut down."""
        self.count("mailseal_faults_total", where=where)
        self.say(
            "fault", where=where, fault=type(fault).__name__, detail=_trace(fault), request_id=request_id
        )

    def _write(self, at: datetime, event: str, fields: Mapping[str, Value]) -> None:
        """One line to the sink, without the fields that say nothing and without what could be a key."""
        self._sink(Line(at, event, {k: _without_keys(v) for k, v in fields.items() if v is not None}))

    def surviving(self, where: str) -> Survival:
        """A `with` block that a fault ends without going further: it is told, and `failed` says so."""
        return Survival(self, where)


class Survival:
    """Where a fault ends and becomes a line; whatever ends a task on purpose goes through."""

    def __init__(self, telemetry: Telemetry, where: str) -> None:
        self._telemetry = telemetry
        self._where = where
        self.failed = False

    def __enter__(self) -> Survival:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(fault, Exception):
            return False
        self.failed = True
        self._telemetry.fault(self._where, fault)
        return True


def _trace(fault: BaseException) -> str:
    """Where a fault came from, innermost last, and its text without anything that could be a key."""
    frames = traceback.extract_tb(fault.__traceback__)[-8:]
    places = " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
    return f"{redacted(str(fault))} ({places})" if places else redacted(str(fault))


def _without_keys(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    return _COULD_BE_A_KEY.sub(_hidden, value)


def _hidden(run: re.Match[str]) -> str:
    # A path has a slash every few letters, base64 one in sixty-four.
    is_path = run[0].startswith("/") and run[0].count("/") * 24 >= len(run[0])
    return run[0] if is_path else f"[{len(run[0])} characters]"


def redacted(text: str) -> str:
    """The text without long runs that could be a key, and without line ends; 300 characters at most.

    >>> redacted("bad " + "A" * 64)
    'bad [64 characters]'
    """
    shown = _LONG_RUN.sub(lambda run: f"[{len(run[0])} characters]", text[:2000])
    return shown.encode("unicode_escape").decode()[:300]


def format_json(line: Line) -> str:
    """The line as one JSON object, for a service's log."""
    at = line.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"event": line.event, "at": at, **line.fields}, separators=(",", ":"))


def format_human(line: Line) -> str:
    """The line as a person reads it beside their work: time, what, about whom."""
    fields = line.fields
    if line.event == "request":
        rest = [fields["status"], fields.get("identity"), fields.get("error"), f"{fields['ms']:.0f} ms"]
        event = str(fields["operation"])
    else:
        told = ("identity", "where", "fault", "detail", "text", "count")
        head = [fields.get(name) for name in told]
        event, rest = line.event, [": ".join(str(part) for part in head if part is not None)]
    shown = _visible("  ".join(str(part) for part in rest if part is not None))
    return f"{line.at.astimezone(UTC):%H:%M:%SZ}  {event:{_EVENT_WIDTH}}  {shown}".rstrip()


def _visible(text: str) -> str:
    """The text with control and bidirectional characters as escapes: no terminal obeys them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def format_metrics(telemetry: Telemetry) -> str:
    """The counts in the text form that Prometheus reads."""
    lines = []
    for metric, sentence in METRICS.items():
        is_histogram = metric in HISTOGRAMS
        names = {f"{metric}{end}" for end in ("_bucket", "_sum", "_count")} if is_histogram else {metric}
        kind = "histogram" if is_histogram else "counter" if metric.endswith("_total") else "gauge"
        lines += [f"# HELP {metric} {sentence}", f"# TYPE {metric} {kind}"]
        found = [sample for sample in telemetry.counts if sample[0] in names]
        for name, labels in sorted(found, key=_in_order):
            shown = ",".join(f'{label}="{text}"' for label, text in labels)
            value = telemetry.counts[name, labels]
            lines.append(f"{name}{{{shown}}} {value}" if shown else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _in_order(sample: Sample) -> tuple[Any, ...]:
    """Buckets by their bounds, before sum and count; all else by labels."""
    name, labels = sample
    plain = tuple((label, text) for label, text in labels if label != "le")
    return name, plain, *(float(text) for label, text in labels if label == "le")


class LibraryLog(logging.Handler):
    """Hands what libraries and our own listeners log (warnings and above) to the telemetry."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(logging.WARNING)
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        """One line for a record; a fault in it is told as ours are."""
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            self._telemetry.fault(record.name, fault)
        else:
            self._telemetry.say("log", where=record.name, text=redacted(record.getMessage()))
