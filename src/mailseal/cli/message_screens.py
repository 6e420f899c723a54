"""The screens about one message: what it consists of, what is signed, and what its signatures are worth.

Rule: pure; signs and words say what colours say; names and values stand whole.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from rich.text import Text

from mailseal.cli.output import CYAN, GREEN, RED, YELLOW, Screen, columns, text
from mailseal.cli.screens import Members, when
from mailseal.core.observations import printable
from mailseal.dkim.changes import counted

_COLUMNS = 80
_SIGNS = {"pass": ("✓", GREEN), "temperror": ("–", YELLOW), "neutral": ("–", YELLOW)}
_STATES = {
    "absent": "no record stands there",
    "unavailable": "it could not be asked for",
    "several": "more than one record stands there, so that none counts",
    "unusable": "what stands there is no key record",
}
_PARTS: Mapping[str, str] = {
    "intact": "as signed",
    "changed": "changed, it is not known how",
    "not_known": "changed, or signed with another key: this signature does not tell which",
    "other_key": "not checked: the signature was made with another key, or is damaged itself",
    "not_checked": "not checked: there is no key to check with",
}


def verified(members: Members) -> Screen:
    """What `verify` shows."""
    items = members["signatures"]
    passing = sum(one["result"] == "pass" for one in items)
    file = printable(members["file"])
    if not items:
        lines = [
            text(f"{file}  ", ("not signed", YELLOW)),
            text(),
            text("The message has no signature."),
            text(),
        ]
        return Screen(lines, f"mailseal message show {file}")
    state = f"{passing} of {counted(len(items), 'signature')} {'passes' if passing == 1 else 'pass'}"
    lines = [text(f"{file}  ", (state, GREEN if passing == len(items) else RED)), text()]
    for one in items:
        lines += [*_verified_one(one, compared=members["compared"]), text()]
    return Screen(lines, _following(members, file))


def _following(members: Members, file: str) -> str:
    lacking = [one for one in members["signatures"] if one["result"] != "pass"]
    if not lacking:
        return "nothing to do"
    if any(one["result"] == "temperror" for one in lacking):
        return "ask again later, or with --resolver"
    unknown = any(
        one.get(part) == "changed" and not any(each["part"] == part for each in one["changes"])
        for one in lacking
        for part in ("header", "body")
    )
    if unknown and not members["compared"]:
        return f"mailseal verify {file} --original FILE"
    return f"mailseal message show {file}"


def _verified_one(one: Members, *, compared: bool) -> list[Text]:
    result = one["result"]
    sign, colour = _SIGNS.get(result, ("✗", RED))
    whose = (
        f"{one['domain']}, selector {one['selector']}" if one["domain"] else "a signature that cannot be read"
    )
    lines = [text((f"  {sign} {result}", colour), f"  {whose}"), *_wrapped(printable(one["reason"]), 6)]
    if "key" not in one:
        return lines
    lines += _key(one["key"])
    if result == "pass":
        return lines
    for part in ("header", "body"):
        known = [each["undone"] for each in one["changes"] if each["part"] == part]
        words = f"changed; right again if {', and '.join(known)}" if known else _PARTS[one[part]]
        lines += _wrapped(words, 14, f"      {part:8}")
    for each in one["differences"]:
        lines += _difference(each)
    if compared and not one["differences"]:
        lines += _wrapped("what is signed is the same in both files", 14, "      compared")
    return lines


def _key(key: Members) -> list[Text]:
    words = key["kind"] if key["state"] == "found" else _STATES[key["state"]]
    lines = [text("      key     ", words), text("              ", (key["name"], CYAN))]
    lines += [text("              → ", (target, CYAN)) for target in key["chain"]]
    if key["asked"]:
        lines.append(text(f"              asked {key['asked']}"))
    for note in key["notes"]:
        lines += _wrapped(printable(note), 14)
    if key["state"] in ("several", "unusable"):
        lines += [text("              TXT  ", (value, CYAN)) for value in key["texts"]]
    return lines


def _difference(each: Members) -> list[Text]:
    where = f"field {each['field']}" if each["field"] else f"line {each['line']} of the body"
    where += f", from octet {each['octet']}" if each["was"] is not None and each["now"] is not None else ""
    return [
        text(f"      in {where}"),
        text("        was  ", "(nothing)" if each["was"] is None else (each["was"], CYAN)),
        text("        is   ", "(nothing)" if each["now"] is None else (each["now"], CYAN)),
    ]


def shown(members: Members) -> Screen:
    """What `message show` shows."""
    fields, signatures = members["fields"], members["signatures"]
    file = printable(members["file"])
    sizes = [counted(members["octets"], "octet"), counted(len(fields), "header field")]
    signed = counted(len(signatures), "signature") if signatures else "no signature"
    lines = [text(f"{file}  {', '.join([*sizes, signed])}"), text()]
    lines += [text("Parts"), *columns([_part(part) for part in members["parts"]], right=(2,)), text()]
    lines.append(text("Header, as signed; before each field the signatures that cover it"))
    lines += [_field(field) for field in fields]
    lines.append(text())
    for number, one in enumerate(signatures, 1):
        lines += [*_signature(number, one), text()]
    return Screen(lines, f"mailseal verify {file}" if signatures else f"mailseal sign {file}")


def _part(part: Members) -> list[Text]:
    kind = "  " * part["depth"] + part["type"] + (f", {part['charset']}" if part["charset"] else "")
    return [text(kind), text(part["encoding"]), text(counted(part["octets"], "octet")), text(part["name"])]


def _field(field: Members) -> Text:
    by = " ".join(str(number) for number in field["signed_by"]) or "–"
    own = field["signature"]
    value = f"signature {own}, explained below" if own else field["value"]
    return text(f"  {by:4}", f"{field['name']}: {value}")


def _signature(number: int, one: Members) -> list[Text]:
    if not one["readable"]:
        return [text(f"Signature {number}  ", ("cannot be read", RED)), *_wrapped(one["reason"], 2)]
    rows = [
        ("domain", f"{one['domain']} (d=)"),
        ("selector", f"{one['selector']} (s=)"),
        ("on behalf of", f"{one['on_behalf_of']} (i=)"),
        ("algorithm", f"{one['algorithm_words']} (a={printable(one['algorithm'])})"),
        ("form", f"header {one['header_form']}, body {one['body_form']} (c=)"),
        ("signed", f"{when(one['signed_at'])} (t=)" if one["signed_at"] else "not said"),
        ("expires", f"{when(one['expires_at'])} (x=)" if one["expires_at"] else "never"),
        ("body", _body(one)),
        ("signature", f"{one['signature_octets']} octets (b=)"),
    ]
    lines = [text(f"Signature {number}")]
    for word, value in rows:
        lines += _wrapped(value, 16, f"  {word:14}")
    for word, names in _covered(one["covered"]):
        lines += _wrapped(names, 16, f"  {word:14}") if names else []
    return [
        *lines,
        text("  key record    ", (one["key_record"], CYAN)),
        text("                TXT, asked by verify"),
    ]


def _body(one: Members) -> str:
    hashed = "its hash is bh=" if one["body_hash_matches"] else "its hash is NOT bh=: it was changed"
    if one["body_length"] is None:
        return f"all of it is covered; {hashed}"
    return (
        f"only its first {counted(one['body_length'], 'octet')} are covered (l=), more may be added; {hashed}"
    )


def _covered(covered: list[dict[str, Any]]) -> list[tuple[str, str]]:
    present = [
        _times(one["name"], one["in_message"] - one["left_open"]) for one in covered if one["in_message"]
    ]
    closed = [one["name"] for one in covered if one["oversigned"]]
    open_ = [_times(one["name"], one["left_open"]) for one in covered if one["left_open"]]
    return [
        ("covers", ", ".join(present) + " (h=)"),
        ("oversigned", ", ".join(closed) + ": one more of these breaks it" if closed else ""),
        ("left open", ", ".join(open_) + ": stand more often than they are covered" if open_ else ""),
    ]


def _times(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number} times"


def _wrapped(sentence: str, indent: int, head: str = "") -> list[Text]:
    """The sentence in lines of 80 columns, the first behind `head`; words are never cut."""
    lines = wrap(sentence, _COLUMNS - indent, break_long_words=False, break_on_hyphens=False) or [""]
    first = head.ljust(indent) if head else " " * indent
    return [text((first + line) if not at else " " * indent + line) for at, line in enumerate(lines)]
