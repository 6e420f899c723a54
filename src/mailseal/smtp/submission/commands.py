"""The commands of a submission session, read by the grammar of their RFCs and nothing else.

Rule: a line that is not of the grammar is refused with the reply that its RFC names; no command is guessed.
References: RFC 5321 §4.1.1, RFC 5321 §4.1.2, RFC 1870 §3, RFC 6152 §2, RFC 6531 §3.4, RFC 3030 §2,
RFC 4954 §4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a0-\U0010ffff-]"
_DOT_ATOM = rf"{_ATEXT}++(?:\.{_ATEXT}++)*+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*+"'
_LABEL = r"[A-Za-z0-9\u00a0-\U0010ffff](?:[A-Za-z0-9\u00a0-\U0010ffff-]{0,62})"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*+"
_LITERAL = r"\[[A-Za-z0-9:.]{1,64}\]"
# A source route is read and left out, as RFC 5321 §4.1.1.3 and its appendix C ask.
_PATH = re.compile(rf"<(?:@[A-Za-z0-9.,@-]++:)?(?P<box>(?:{_DOT_ATOM}|{_QUOTED})@(?:{_DOMAIN}|{_LITERAL}))>")
_POSTMASTER = re.compile(r"<postmaster>", re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?\Z")
_GREETED = re.compile(r"[!-~]{1,255}\Z")
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")
_MAX_LOCAL, _MAX_PATH = 64, 254


class CommandRefused(ValueError):
    """The line is no command that can be carried out; `code` and the text are the reply."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """A command's verb, in upper case, and the rest of its line as it was sent."""

    verb: str
    rest: str


@dataclass(frozen=True, slots=True)
class MailFromCommand:
    """MAIL FROM: the address, empty for the null reverse-path, and what its parameters say."""

    address: str
    size: int = 0
    is_8bit: bool = False
    needs_utf8: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: how many octets follow, and whether they are the last."""

    size: int
    is_last: bool


def parse_command(line: bytes) -> Command:
    """The command of a line with its CRLF; raises CommandRefused."""
    if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
        raise CommandRefused(500, "Lines end in CRLF, and CR or LF stand nowhere else")
    if b"\0" in line:
        raise CommandRefused(500, "A command has no NUL in it")
    try:
        text = line[:-2].decode()
    except UnicodeDecodeError:
        raise CommandRefused(500, "A command is ASCII, or UTF-8 with SMTPUTF8") from None
    verb, _, rest = text.partition(" ")
    if not (verb.isascii() and verb.isalpha() and len(verb) <= 12):
        raise CommandRefused(500, "Command not recognized")
    return Command(verb.upper(), rest.strip(" "))


def parse_hello(rest: str) -> str:
    """The name after EHLO or HELO; raises CommandRefused."""
    name = rest.partition(" ")[0]
    if not _GREETED.match(name):
        raise CommandRefused(501, "EHLO takes a domain name")
    return name


def parse_mail(rest: str, size_at_most: int) -> MailFromCommand:
    """MAIL FROM's address and parameters; raises CommandRefused."""
    path, words = _path_and_words(rest, "FROM:")
    parameters = _parameters(words)
    utf8 = "SMTPUTF8" in parameters
    if path == "<>":
        address = ""
    else:
        address = _address(path, utf8)
    body = (parameters.pop("BODY", None) or "7BIT").upper()
    size = parameters.pop("SIZE", None) or "0"
    if body not in ("7BIT", "8BITMIME"):
        raise CommandRefused(501, "BODY is 7BIT or 8BITMIME")
    if not _NUMBER.match(size):
        raise CommandRefused(501, "SIZE is a number of octets")
    if int(size) > size_at_most:
        raise CommandRefused(552, f"Message length is more than {size_at_most} bytes long: '{int(size)}'.")
    if parameters.pop("SMTPUTF8", None) is not None:
        raise CommandRefused(501, "SMTPUTF8 takes no value")
    parameters.pop("AUTH", None)
    _none_left(parameters)
    return MailFromCommand(address, int(size), body == "8BITMIME", utf8)


def parse_recipient(rest: str, *, utf8: bool) -> str:
    """The address of RCPT TO; raises CommandRefused."""
    path, words = _path_and_words(rest, "TO:")
    _none_left(_parameters(words))
    if _POSTMASTER.match(path):
        return "postmaster"
    return _address(path, utf8)


def parse_chunk(rest: str) -> Chunk:
    """BDAT's size and whether it is the last; raises CommandRefused."""
    size, _, last = rest.partition(" ")
    if not _NUMBER.match(size) or last.strip().upper() not in ("", "LAST"):
        raise CommandRefused(501, "BDAT takes a number of octets, and LAST")
    return Chunk(int(size), bool(last.strip()))


def parse_auth(rest: str) -> tuple[str, str | None]:
    """AUTH's mechanism, in upper case, and its initial response if any; raises CommandRefused."""
    mechanism, blank, response = rest.partition(" ")
    if not _MECHANISM.match(mechanism):
        raise CommandRefused(501, "AUTH takes a mechanism")
    return mechanism.upper(), response.strip() if blank else None


def _path_and_words(rest: str, keyword: str) -> tuple[str, list[str]]:
    """The path with its angle brackets, and the parameters after it."""
    if rest[: len(keyword)].upper() != keyword:
        raise CommandRefused(501, f"Syntax: {'MAIL' if keyword == 'FROM:' else 'RCPT'} {keyword}<address>")
    # One blank after the colon is common and harmless, though RFC 5321 §3.3 has none.
    text = rest[len(keyword) :].lstrip(" ")
    if text.startswith("<>"):
        path = "<>"
    else:
        match = _PATH.match(text) or _POSTMASTER.match(text)
        if match is None:
            raise CommandRefused(501, "The address is not of the form <name@domain>")
        path = match[0]
    tail = text[len(path) :]
    if tail and not tail.startswith(" "):
        raise CommandRefused(501, "A blank belongs between the address and its parameters")
    return path, tail.split()


def _address(path: str, utf8: bool) -> str:
    match = _PATH.match(path)
    if match is None:
        raise CommandRefused(501, "The address is not of the form <name@domain>")
    address = match["box"]
    if not address.isascii() and not utf8:
        raise CommandRefused(553, "An address beyond ASCII needs SMTPUTF8")
    local = address.rpartition("@")[0]
    if len(local.encode()) > _MAX_LOCAL or len(address.encode()) > _MAX_PATH:
        raise CommandRefused(501, "The address is too long")
    return address


def _parameters(words: list[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in words:
        match = _PARAMETER.match(word)
        if match is None or match[1].upper() in found:
            raise CommandRefused(501, "A parameter is not of the form NAME or NAME=value, or is there twice")
        found[match[1].upper()] = match[2]
    return found


def _none_left(parameters: Mapping[str, str | None]) -> None:
    if parameters:
        raise CommandRefused(555, f"Parameter {next(iter(parameters))} is not offered here")
