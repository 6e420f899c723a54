"""Mail addresses: whose a message is, read from its From field by the grammar and nothing else.

Rule: what two readers could take for two different addresses is refused, never guessed at.
References: RFC 5322 §3.2, RFC 5322 §3.4, RFC 5322 §3.6.2, RFC 5321 §4.5.3.1, RFC 6532 §3.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailseal.dkim.message import Message

_MAX_LOCAL, _MAX_ADDRESS, _MAX_COMMENT_DEPTH = 64, 254, 20

_BLANKS = re.compile(r"(?:[ \t]|\r\n[ \t])*+")
# Letters outside ASCII may stand in display names and comments (RFC 6532 §3.2); an address of ours has none,
# and says so when it meets them.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]"
_DOT_ATOM = re.compile(rf"{_ATEXT}++(?:\.{_ATEXT}++)*+")
_WORD = re.compile(rf"(?:{_ATEXT}|\.)++")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~]|\r\n[ \t])*+)"')
_PAIR = re.compile(r"\\(.)")
_COMMENT_TEXT = re.compile(r"(?:[^()\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~]|\r\n[ \t])*+")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")


class AddressRefused(ValueError):
    """The text is not the address, or the list of addresses, that was asked for."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address: local part as meant (unquoted), domain in lower case, and the display name beside it."""

    local: str
    domain: str
    display: str = ""

    def __str__(self) -> str:
        """The address as RFC 5322 §3.4.1 writes it, without the display name."""
        if _DOT_ATOM.fullmatch(self.local):
            return f"{self.local}@{self.domain}"
        return f"{quoted_string(self.local)}@{self.domain}"


def quoted_string(text: str) -> str:
    """The text between quotation marks, escaped as RFC 5322 §3.2.4 asks."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def from_mailbox(message: Message) -> Mailbox:
    """The one author of a message; refused unless there is one From field with one mailbox."""
    values = message.values(b"from")
    if len(values) != 1:
        raise AddressRefused(f"The message has {len(values) or 'no'} From fields; it must have exactly one.")
    boxes = parse_mailbox_list(values[0])
    if len(boxes) != 1:
        raise AddressRefused(f"The From field names {len(boxes)} addresses; it must name exactly one.")
    return boxes[0]


def parse_mailbox_list(value: str | bytes) -> tuple[Mailbox, ...]:
    """The mailboxes of a From, To or Cc value, at least one (RFC 5322 §3.4, without groups).

    Obsolete forms are refused, save a full stop in a display name, which every reader takes alike.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise AddressRefused("The address list is neither ASCII nor UTF-8.") from None
    reader = _Reader(value)
    boxes = [reader.mailbox()]
    while not reader.at_end():
        reader.take(",")
        boxes.append(reader.mailbox())
    return tuple(boxes)


class _Reader:
    """A place in the text, moved forward by what the grammar allows next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._text)

    def take(self, mark: str) -> None:
        """Move past the mark that must come now."""
        if not self._is_next(mark):
            raise AddressRefused("The text is not an e-mail address of the form name@domain.")
        self._at += 1

    def mailbox(self) -> Mailbox:
        """The next mailbox with the comments around it: addr-spec, or a name and an angle-addr."""
        start = self._at
        local = self._local_part()
        if local is not None and self._is_next("@"):
            return self._after_local_part(local, display="")
        self._at = start
        display = self._display_name()
        if self._is_next(":") or self._is_next(";"):
            raise AddressRefused("Address groups (name: a, b;) are not accepted; list the addresses.")
        self.take("<")
        box = self._after_local_part(self._local_part() or "", display)
        self.take(">")
        self._skip_comments()
        return box

    def _local_part(self) -> str | None:
        self._skip_comments()
        quoted = _QUOTED.match(self._text, self._at)
        plain = _DOT_ATOM.match(self._text, self._at)
        found = quoted or plain
        if found is None:
            return None
        self._at = found.end()
        self._skip_comments()
        return _unquoted(quoted.group(1)) if quoted else found.group()

    def _after_local_part(self, local: str, display: str) -> Mailbox:
        self.take("@")
        self._skip_comments()
        if self._is_next("["):
            raise AddressRefused("An address must have a domain name after its @, not an IP address.")
        domain = _DOT_ATOM.match(self._text, self._at)
        self._at = domain.end() if domain else self._at
        self._skip_comments()
        return _checked(local, domain.group() if domain else "", display)

    def _display_name(self) -> str:
        words: list[str] = []
        self._skip_comments()
        while True:
            quoted = _QUOTED.match(self._text, self._at)
            word = quoted or _WORD.match(self._text, self._at)
            if word is None:
                return " ".join(words)
            words.append(_unquoted(quoted.group(1)) if quoted else word.group())
            self._at = word.end()
            self._skip_comments()

    def _skip_comments(self) -> None:
        """Move past blanks, folds and comments (RFC 5322 §3.2.2, CFWS)."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if not self._is_next("("):
                return
            self._skip_one_comment()

    def _skip_one_comment(self) -> None:
        depth = 0
        while True:
            if self._is_next("("):
                depth += 1
            elif self._is_next(")"):
                depth -= 1
            else:
                raise AddressRefused("A comment in the address is not closed.")
            self._at += 1
            if depth == 0:
                return
            if depth > _MAX_COMMENT_DEPTH:
                raise AddressRefused("The address has comments nested too deeply.")
            text = _COMMENT_TEXT.match(self._text, self._at)
            self._at = text.end() if text else self._at

    def _is_next(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)


def _unquoted(text: str) -> str:
    return _PAIR.sub(r"\1", text.replace("\r\n", ""))


def _checked(local: str, domain: str, display: str) -> Mailbox:
    if not (local.isascii() and domain.isascii()):
        raise AddressRefused("An address must be ASCII; write an internationalised domain as xn--….")
    if not local or len(local) > _MAX_LOCAL:
        raise AddressRefused(f"The part before the @ must have 1 to {_MAX_LOCAL} characters.")
    if len(local) + 1 + len(domain) > _MAX_ADDRESS:
        raise AddressRefused(f"An address has at most {_MAX_ADDRESS} characters.")
    if not all(_LABEL.match(label) for label in domain.split(".")):
        raise AddressRefused("What follows the @ is not a domain name.")
    return Mailbox(local, domain.lower(), display)
