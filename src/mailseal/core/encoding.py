"""Text as 7-bit octets: encoded-words and folding for header fields, quoted-printable and base64 for bodies.

Rule: no octet above 126, no control character and no line over 76 octets where folding can help it; what
looks like text is never a way to begin a header field.
References: RFC 2047 §2, RFC 2047 §4, RFC 2047 §5, RFC 2045 §6.7, RFC 2045 §6.8, RFC 5322 §2.1.1,
RFC 5322 §2.2.3.
"""

from __future__ import annotations

import base64
import binascii
import re

from mailseal.dkim.message import MessageRefused

LINE_OCTETS = 76

_ENCODED_WORD = re.compile(r"=\?([^?]*)\?([bBqQ])\?([^?]*)\?=")
# U+0085, U+2028 and U+2029 end lines for some readers of Unicode text; half a surrogate pair is no text.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LINE_OCTET = re.compile(rb"[\0\r\n]")
_CHARSET_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,40}\Z")
_PROBE = "A=?..+AAo-\\u0041\r\n"  # UTF-7, UTF-16 and codecs that are no charsets change this
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_TOKEN = re.compile(r" *[^ ]+")
_QP_UNSAFE = re.compile(rb"[^\t -<>-~]")
_NOT_7BIT = re.compile(rb"[^\t\r\n -~]")
# Lines that programs on the way alter: mbox writers, SMTP clients, and whoever trims lines.
_FRAGILE_LINE = re.compile(rb"^(?:From |\.)|[ \t]\r\n|[ \t]\Z", re.MULTILINE)
_QP_ROOM = LINE_OCTETS - 3  # one for the soft break's "=", two for an escaped first octet


def check_header_text(text: str, what: str) -> None:
    """Refuse text that holds a control character or line end, also inside an encoded-word."""
    if _CONTROL.search(text):
        raise MessageRefused("header_control", f"{what} holds a line end or another control character.")
    for charset, how, payload in _ENCODED_WORD.findall(text):
        octets = _word_octets(how, payload)
        if _LINE_OCTET.search(octets) or _CONTROL.search(_decoded(octets, charset)):
            raise MessageRefused(
                "header_control", f"{what} holds an encoded-word with a line end or control character in it."
            )


def known_charset(name: str) -> str:
    """The charset's name as MIME writes it; refused unless it contains ASCII as it is."""
    try:
        good = _CHARSET_NAME.match(name) and _PROBE.encode(name).decode("ascii") == _PROBE
        good = good and _PROBE.encode("ascii").decode(name) == _PROBE
    except (LookupError, ValueError):
        good = False
    if not good:
        raise MessageRefused("charset", "A charset is not one that mail can be written in; use UTF-8.")
    return name


def encode_text(text: str, charset: str, what: str) -> bytes:
    """The text in its charset, with CRLF line ends; refused where the charset lacks a character."""
    try:
        return _LINE_END.sub("\r\n", text).encode(known_charset(charset))
    except UnicodeEncodeError:
        raise MessageRefused(
            "charset", f"{what} has characters that its charset {charset} lacks; use UTF-8."
        ) from None


def header_field(name: str, text: str, charset: str = "UTF-8") -> bytes:
    """An unstructured field: ASCII as it is, everything else in encoded-words; folded, with final CRLF."""
    check_header_text(text, f"The field {name}")
    text = text.replace("\t", " ").strip(" ")
    if not text.isascii() or any(len(token) > 900 for token in text.split(" ")):
        text = encoded_words(text, charset, taken=len(name) + 2)
    return folded(name, _TOKEN.findall(text))


def folded(name: str, tokens: list[str]) -> bytes:
    """A field of tokens that bring their own leading blanks; a line is broken before a token only."""
    lines = [f"{name}:"]
    for token in tokens:
        piece = token if token.startswith(" ") or lines[-1].endswith(" ") else " " + token
        if len(lines[-1]) + len(piece) > LINE_OCTETS and lines[-1] != f"{name}:":
            lines.append(piece)
        else:
            lines[-1] += piece
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def encoded_words(text: str, charset: str = "UTF-8", *, taken: int = 0) -> str:
    """The text as encoded-words of at most 75 characters, no character cut in two (RFC 2047 §5).

    `taken` octets of the first line are in use already.
    """
    charset = known_charset(charset)
    room = 75 - len(f"=?{charset}?B??=")
    words = [""]
    for character in text:
        used = taken if len(words) == 1 else 0
        longer = words[-1] + character
        if words[-1] and len(_encoded(longer, charset)) > max((room - used) // 4 * 3, 12):
            words.append(character)
        else:
            words[-1] = longer
    return " ".join(f"=?{charset}?B?{base64.b64encode(_encoded(word, charset)).decode()}?=" for word in words)


def encode_body(octets: bytes, *, avoid: bytes) -> tuple[str, bytes]:
    """The Content-Transfer-Encoding and the encoded body, ending in CRLF; `avoid` must not occur in it."""
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    plain = (
        _NOT_7BIT.search(octets) is None
        and _FRAGILE_LINE.search(octets) is None
        and max(map(len, octets.split(b"\r\n"))) <= LINE_OCTETS
    )
    if plain and avoid not in octets:
        return "7bit", octets
    if len(_QP_UNSAFE.findall(octets.replace(b"\r\n", b""))) * 6 <= len(octets):
        return "quoted-printable", quoted_printable(octets)
    return "base64", base64_lines(octets)


def encode_octets(octets: bytes, wanted: str, *, avoid: bytes) -> tuple[str, bytes]:
    """The Content-Transfer-Encoding and the encoded octets of an attachment, which come out as they went in.

    `wanted` is an AWS SESv2 AttachmentContentTransferEncoding; what cannot go as SEVEN_BIT goes as base64.
    """
    if wanted == "QUOTED_PRINTABLE":
        return "quoted-printable", quoted_printable(octets)
    if wanted == "SEVEN_BIT" and _travels_as_it_is(octets) and avoid not in octets:
        return "7bit", octets
    return "base64", base64_lines(octets)


def _travels_as_it_is(octets: bytes) -> bool:
    """Whether the octets are lines of ASCII that no program on the way has a reason to touch."""
    lines = octets.split(b"\r\n")
    return (
        _NOT_7BIT.search(octets) is None
        and _FRAGILE_LINE.search(octets) is None
        and not any(b"\r" in line or b"\n" in line or len(line) > 998 for line in lines)
    )


def base64_lines(octets: bytes) -> bytes:
    """Base64 in lines of 76 characters, each ending in CRLF (RFC 2045 §6.8)."""
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def quoted_printable(octets: bytes) -> bytes:
    """Quoted-printable of text with CRLF line ends; no line of it can be altered on the way unnoticed."""
    if not octets:
        return b""
    lines = octets.split(b"\r\n")
    ends_in_line_end = lines[-1] == b""
    if ends_in_line_end:
        lines.pop()
    encoded = b"\r\n".join([_qp_line(line) for line in lines])
    return encoded + b"\r\n" if ends_in_line_end else encoded


def _qp_line(line: bytes) -> bytes:
    escaped = _QP_UNSAFE.sub(lambda match: b"=%02X" % match.group()[0], line)
    if escaped.endswith((b" ", b"\t")):
        escaped = escaped[:-1] + b"=%02X" % escaped[-1]
    pieces = []
    while len(escaped) > _QP_ROOM:
        cut = _QP_ROOM
        mark = escaped.rfind(b"=", cut - 2, cut)
        if mark >= 0:
            cut = mark
        pieces.append(_protected(escaped[:cut]))
        escaped = escaped[cut:]
    pieces.append(_protected(escaped))
    return b"=\r\n".join(pieces)


def _protected(piece: bytes) -> bytes:
    """The piece with its first octet escaped where mbox writers or SMTP would treat the line specially."""
    if piece.startswith((b"From ", b".")):
        return b"=%02X" % piece[0] + piece[1:]
    return piece


def _encoded(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError:
        raise MessageRefused(
            "charset", f"A header has a character that its charset {charset} lacks; use UTF-8."
        ) from None


def _word_octets(how: str, payload: str) -> bytes:
    """What an encoded-word holds for the most forgiving reader."""
    if how in "qQ":
        return binascii.a2b_qp(payload.encode(), header=True)
    digits = _NOT_BASE64.sub("", payload)
    digits = digits[:-1] if len(digits) % 4 == 1 else digits
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4))


def _decoded(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset.partition("*")[0], "replace")
    except (LookupError, ValueError):
        return ""
