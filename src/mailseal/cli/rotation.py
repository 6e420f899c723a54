"""The screen of `identity rotate`: the steps of a rotation, those that are done and those to come.

Rule: pure; each step is read from the identity's object, so that watching can begin and end at any time.
References: docs/cli.md; docs/decisions/0004-key-slots.md.
"""

from __future__ import annotations

from rich.text import Text

from mailseal.cli.output import GREEN, GREY, YELLOW, Screen, text
from mailseal.cli.screens import Members, when


def head(members: Members, where: str) -> Text:
    """The first line: whether a rotation runs, and which slot signs meanwhile."""
    active, following = _slot(members, "active"), _slot(members, "next")
    if following is not None and active is not None:
        how = text(("rotating", YELLOW), f", slot {active['slot']} signs until the switch")
    elif is_over(members) and active is not None:
        how = text(("rotated", GREEN), f", the key is in slot {active['slot']}")
    else:
        how = text(("waits", YELLOW), " for a blank slot")
    return text(f"{members['identity']}  ", how, f", {where}" if where else "")


def rotating(members: Members, where: str) -> Screen:
    """The whole screen at one moment."""
    lines = [head(members, where), text(), *done(members), *_to_come(members), text()]
    return Screen(lines, f"mailseal identity show {members['identity']}")


def is_over(members: Members) -> bool:
    """Whether the newest key is the one in use."""
    return _slot(members, "next") is None and not members.get("new_key_wanted", False)


def done(members: Members) -> list[Text]:
    """The steps that are done, in their order."""
    following = _slot(members, "next")
    slot = following or _slot(members, "active")
    if slot is None or slot["key"] is None or members.get("new_key_wanted", False):
        return []
    key = slot["key"]
    number = slot["slot"]
    steps = [f"key from the stock into slot {number}, RSA {key['bits']} {key['fingerprint']}"]
    if slot["published"]:
        steps.append(f"published as {slot['name']}")
        if slot["seen_at"] is not None:
            steps.append(f"seen under {members['identity']} through a resolver, {when(slot['seen_at'])}")
    if following is None:
        steps.append(f"switched to slot {number}")
        steps += [
            f"slot {old['slot']} stays published until {when(old['published_until'])}, then is blanked"
            for old in members["slots"]
            if old["state"] == "previous"
        ]
    return [text(("  ✓ ", GREEN), step) for step in steps]


def _to_come(members: Members) -> list[Text]:
    following, active = _slot(members, "next"), _slot(members, "active")
    if following is None or active is None:
        return []
    steps = [] if following["published"] else ["published"]
    steps += [] if following["seen_at"] is not None else [f"seen under {members['identity']}"]
    late = following.get("waits_for_servers")
    if late is not None:
        servers = ", ".join(late) or "each of our name servers"
        steps.append(f"earlier answers expire, as soon as {servers} has caught up")
    elif following["ready_at"] is not None and following["ready_at"] > members["now"]:
        steps.append(f"earlier answers expire, {when(following['ready_at'])}")
    steps += [
        f"switch to slot {following['slot']}",
        f"slot {active['slot']} stays published, then is blanked",
    ]
    return [text(("  · ", GREY), step) for step in steps]


def _slot(members: Members, state: str) -> Members | None:
    return next((slot for slot in members["slots"] if slot["state"] == state), None)
