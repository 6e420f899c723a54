"""The screen about an identity of an address, made of the native API's object.

Rule: pure; as in `screens`: first line what it is and how it stands, last line what to do.
References: docs/cli.md.
"""

from __future__ import annotations

from rich.text import Text

from mailseal.cli.output import GREEN, YELLOW, Screen, columns, text
from mailseal.cli.screens import Members, parsed, span, status_text, when
from mailseal.core.observations import printable


def is_address(members: Members) -> bool:
    """Whether the object is one of an address."""
    return bool(members.get("kind") == "EMAIL_ADDRESS")


def shown(members: Members, where: str, *, all_events: bool) -> Screen:
    """What `identity create`, `show` and `retry` show of an address."""
    place = f"account {members['account']}, {members['region']}"
    rest = ", ".join(part for part in (place, where) if part)
    name = printable(members["identity"], at_most=1000)
    rows = [[text("link"), text(_link(members))], [text("may send"), _sending(members)]]
    lines = [text(f"{name}  ", status_text(members["verification_status"]), f"  {rest}"), text()]
    lines += [*columns(rows), text()]
    for event in members["events"]:
        lines.append(text(f"  {when(event['at'])}  {printable(event['text'], at_most=1000)}"))
    return Screen(lines, _following(members, name, all_events))


def _link(members: Members) -> str:
    if members["verification_status"] == "SUCCESS":
        return f"used {when(members['proven_at'])}"
    asked = when(members["link_asked_at"])
    if members["link_ends_at"] is None:
        return f"mailed {asked}, not used in 24 hours"
    left = span((parsed(members["link_ends_at"]) - parsed(members["now"])).total_seconds())
    if members["mail_due_at"] is not None and members["mails_tried"]:
        return f"not handed over yet, {members['mails_tried']} tried; again {when(members['mail_due_at'])}"
    return f"mailed {asked}; {left} left"


def _sending(members: Members) -> Text:
    if not members["may_send"]:
        return text(("not yet", YELLOW))
    domain = members["domain"]
    if domain is None:
        return text(("yes", GREEN), ", unsigned: its domain is no identity")
    if not members["signing_enabled"]:
        return text(("yes", GREEN), ", unsigned: signing is switched off")
    return text(("yes", GREEN), f", signed as {domain} is")


def _following(members: Members, name: str, all_events: bool) -> str:
    match members["verification_status"]:
        case "PENDING":
            return f"open the link in that mail, or mailseal identity retry {name}"
        case "FAILED":
            return f"mailseal identity retry {name}"
    more = "" if all_events else f". All events: mailseal identity show {name} --events"
    return f"nothing to do{more}"
