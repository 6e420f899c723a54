"""The screens about identities, made of the native API's objects.

Rule: pure; first line: what, and how it stands; names and values whole and alone on their line. What came
from outside is escaped here once more.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from rich.text import Text

from mailseal.cli.output import CYAN, GREEN, GREY, RED, YELLOW, Screen, columns, tabbed, text
from mailseal.core.observations import printable
from mailseal.dkim.keys import ED25519_BITS

Members = Mapping[str, Any]

_STATUS_COLOURS = {"SUCCESS": GREEN, "FAILED": RED}
_SHORT = 8


def when(stamp: str | None) -> str:
    """A time as people read it, with its zone.

    >>> when("2026-11-23T14:11:07Z")
    '2026-11-23 14:11 UTC'
    """
    return "–" if stamp is None else f"{parsed(stamp):%Y-%m-%d %H:%M} UTC"


def parsed(stamp: str) -> datetime:
    """The time that an RFC 3339 stamp with Z names."""
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit.

    >>> span(41), span(3540), span(7300), span(200000)
    ('41 s', '59 min', '2 h', '2 d')
    """
    for limit, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= limit:
            return f"{int(seconds // limit)} {unit}"
    return f"{max(0, int(seconds))} s"


def created(members: Members, records: Sequence[Members], where: str) -> Screen:
    """What `identity create` shows: how it stands and what to publish."""
    name = members["identity"]
    counts = {1: "this record", 3: "these three records", 5: "these five records"}
    these = counts.get(len(records), f"these {len(records)} records")
    lines = [first_line(members, [_method(members)], where), text()]
    lines += [text(f"Publish {these} in the DNS of {name}:"), *_to_publish(records), text()]
    return Screen(lines, f"mailseal identity check {name} --wait")


def to_publish(members: Members, where: str, *, is_one_of_many: bool = False) -> Screen:
    """What `identity records` shows as a table."""
    lines = [first_line(members, [], where), text(), *_to_publish(members["records"]), text()]
    if is_one_of_many:
        return Screen(lines)
    name = members["identity"]
    following = "nothing to do" if members["dkim_status"] == "SUCCESS" else f"mailseal identity check {name}"
    return Screen(lines, following)


def _to_publish(records: Sequence[Members]) -> list[Text]:
    lines = []
    for number, record in enumerate(records, 1):
        lines.append(text(f"  {number}  ", (record["name"], CYAN)))
        lines.append(text(f"     {record['type']}  ", (record["value"], CYAN)))
    return lines


def listed(items: Sequence[Members], following: str | None, where: str, *, terminal: bool) -> Screen:
    """What `identity list` shows: a line for each."""
    rows = [
        [text(_shown(one["identity"])), status_text(one["status"]), text("sends" if one["may_send"] else "–")]
        for one in items
    ]
    if not terminal:
        return Screen(tabbed(rows))
    end = "at least" if following else "in all"
    count = f"{len(items)} {'identity' if len(items) == 1 else 'identities'} {end}"
    last = "mailseal identity show NAME" if items else "mailseal identity create NAME"
    lines = [text(", ".join(part for part in (count, where) if part))]
    return Screen([*lines, *([text(), *columns(rows), text()] if rows else [])], last)


def shown(members: Members, where: str, *, all_events: bool) -> Screen:
    """What `identity show` shows: status, slots and the newest events."""
    now = parsed(members["now"])
    lines = [first_line(members, [_method(members), _place(members)], where), text()]
    rows = [[text("checked"), text(_checked(members, now))], *_sending(members)]
    rows += _ed25519(members)
    if members["key"]:
        own = members["key"]
        rows.append([text("key"), text(f"RSA {own['bits']} {own['fingerprint']}")])
    if members.get("mail_from"):
        told = members["mail_from"]
        rows.append([text("MAIL FROM"), status_text(told["status"]).append(f", {told['domain']}")])
    lines += columns(rows)
    if members.get("cache_window"):
        sentence = _shown(members["cache_window"]["text"])
        lines += [text(), *(text((line, YELLOW)) for line in wrap(f"! {sentence}", 80))]
    if members["origin"] != "EXTERNAL":
        lines += [text(), *columns(_slots([*members["slots"], *_second(members)["slots"]]))]
    elif _second(members)["slots"]:
        lines += [text(), *columns(_slots(_second(members)["slots"]))]
    lines += [text()]
    lines += [text(f"  {when(event['at'])}  {_shown(event['text'])}") for event in members["events"]]
    return Screen(lines, _after_show(members, all_events))


def _after_show(members: Members, all_events: bool) -> str:
    name = members["identity"]
    if members["dkim_status"] == "PENDING":
        return f"mailseal identity check {name}"
    if members["dkim_status"] == "FAILED":
        return f"mailseal identity retry {name}"
    more = "" if all_events else f". All events: mailseal identity show {name} --events"
    return f"nothing to do{more}"


def _checked(members: Members, now: datetime) -> str:
    if members["checked_at"] is None:
        return "not yet"
    ago = f"{when(members['checked_at'])}, {span((now - parsed(members['checked_at'])).total_seconds())} ago"
    if members["next_check_at"] is None:
        return ago
    wait = (parsed(members["next_check_at"]) - now).total_seconds()
    return f"{ago}; next {'now' if wait <= 0 else 'in ' + span(wait)}"


def _sending(members: Members) -> list[list[Text]]:
    by = members["signed_with"]
    if not members["may_send"]:
        return [[text("may send"), text(("not yet", YELLOW))]]
    if by is None:
        how = text("yes, unsigned: signing is switched off" if not members["signing_enabled"] else "yes")
    elif by["slot"] is not None:
        how = text(("yes", GREEN), f", signed with slot {by['slot']}")
    else:
        how = text(("yes", GREEN), f", signed with selector {by['selector']}")
    return [[text("may send"), how]]


def _ed25519(members: Members) -> list[list[Text]]:
    """How the second signature stands, where there is anything to say of it."""
    second = _second(members)
    if not second["wanted"]:
        return []
    slot = next((one for one in second["slots"] if one["state"] == "active"), None)
    if slot is not None and second["seen"]:
        return [[text("Ed25519"), text(("yes", GREEN), f", beside RSA, with slot {slot['slot']}")]]
    ask = f", until its records are seen: mailseal identity records {members['identity']}"
    return [[text("Ed25519"), text(("not yet", YELLOW), ask)]]


def _second(members: Members) -> Members:
    """What there is of Ed25519; nothing where an older server says nothing of it."""
    found: Members = members.get("ed25519") or {"wanted": False, "slots": []}
    return found


def _algorithm(key: Members) -> str:
    return "Ed25519" if key["bits"] == ED25519_BITS else f"RSA {key['bits']}"


def _slots(slots: Sequence[Members]) -> list[list[Text]]:
    rows = [[text((head, GREY)) for head in ("slot", "token", "state", "key", "published")]]
    for slot in slots:
        key = slot["key"]
        named = f"{_algorithm(key)} {key['fingerprint']}" if key else "–"
        if slot["published_until"]:
            published = f"until {when(slot['published_until'])}"
        else:
            published = f"since {when(slot['published_since'])}" if slot["published_since"] else "–"
        colour = GREEN if slot["state"] == "active" else ""
        number, short = text(str(slot["slot"])), text(f"{slot['token'][:_SHORT]}…")
        rows.append([number, short, text((slot["state"], colour)), text(named), text(published)])
    return rows


def first_line(members: Members, rest: Sequence[str], where: str) -> Text:
    """The identity, its status, and what else there is to say at once."""
    more = ", ".join(part for part in (*rest, where) if part)
    return text(
        f"{_shown(members['identity'])}  ", status_text(members["dkim_status"]), f"  {more}" if more else ""
    )


def status_text(status: str) -> Text:
    """A status in its colour."""
    return text((status, _STATUS_COLOURS.get(status, YELLOW)))


def _method(members: Members) -> str:
    if members["origin"] == "EXTERNAL":
        return f"own key {members['selector']}, RSA {members['bits']}"
    if members["origin"] == "AWS_SES":
        return f"Easy DKIM, RSA {members['bits']}"
    region = members["origin"].removeprefix("AWS_SES_").lower().replace("_", "-")
    return f"replica of {region}, RSA {members['bits']}"


def _place(members: Members) -> str:
    return f"account {members['account']}, {members['region']}"


def _shown(foreign: str) -> str:
    return printable(foreign, at_most=1000)
