"""What was done to a signed header behind its signature: the common transformations, each tried backwards.

Rule: pure; a transformation is named only where the signature holds without it; the work has a limit.
References: RFC 6376 §3.4.1, RFC 6376 §3.4.2, RFC 6376 §3.5, RFC 6376 §5.4.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice

from mailseal.dkim.canonicalization import Canonicalization
from mailseal.dkim.changes import Change, ChangeKind, Right, find_octet, said_of
from mailseal.dkim.field_forms import Form, cuts, rewritten, simple_forms, with_value, without_marks
from mailseal.dkim.message import HeaderField
from mailseal.dkim.signature import Signature
from mailseal.dkim.taglist import parse_tag_list, without_blanks
from mailseal.dkim.verify import signed_data, signed_fields

_MOST_TRIED = 20_000
_OCTET = re.compile(rb"=([0-9A-F]{2})")
_KEPT_BESIDE = re.compile(rb"(?i)(?:x-)?(?:original|old|orig|envelope)-(.+)\Z")
_KNOWN = {
    b"mime-version": (b"1.0",),
    b"content-transfer-encoding": (b"7bit", b"8bit", b"quoted-printable", b"base64"),
    b"content-type": (b"text/plain; charset=utf-8", b"text/plain; charset=us-ascii", b"text/plain"),
}

Fields = tuple[HeaderField, ...]


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change undone: the field at `index` becomes `instead`, or goes where that is None; an index behind
    the last puts one in."""

    index: int
    instead: HeaderField | None
    change: Change


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header, one signature field of it, what that says, and what tells right data from wrong."""

    fields: Fields
    header: HeaderField
    signature: Signature
    is_right: Right
    digest: bytes | None = None
    """The right data's SHA-256, where the signature gives it away: RSA does."""

    def spelled(self, name: bytes) -> bytes:
        """A field's name as h= spells it."""
        lowered = name.lower()
        return next((each for each in self.signature.header_names if each.lower() == lowered), name)

    def holds(self, edits: Iterable[_Edit]) -> bool:
        """Whether the signature holds with these changes undone."""
        fields: list[HeaderField | None] = list(self.fields)
        header = self.header
        for edit in edits:
            if edit.index >= len(fields):
                fields.append(edit.instead)
            else:
                if self.fields[edit.index] is self.header and edit.instead:
                    header = edit.instead
                fields[edit.index] = edit.instead
        kept = [field for field in fields if field]
        return self.is_right(b"".join(signed_data(kept, self.signature, header)))


def find_header_change(signed: SignedHeader) -> tuple[Change, ...]:
    """The changes without which the signature holds; none where they are not found."""
    copied = _from_copies(signed)
    if copied and signed.holds(copied):
        return tuple(edit.change for edit in copied)
    plausible = list(_plausible(signed))
    for edit in plausible:
        if signed.holds((edit,)):
            return (edit.change,)
    for all_edits in _everywhere(signed):
        if signed.holds(all_edits):
            return (all_edits[0].change,)
    for index, field in _covered(signed):
        for change, instead in cuts(field) if field is not signed.header else ():
            if signed.holds((_Edit(index, instead, change),)):
                return (change,)
    pairs = (pair for pair in combinations(plausible, 2) if pair[0].index != pair[1].index)
    for pair in islice(pairs, _MOST_TRIED if signed.digest else _MOST_TRIED // 10):
        if signed.holds(pair):
            return tuple(edit.change for edit in pair)
    return _find_octet(signed)


def _covered(signed: SignedHeader) -> Iterator[tuple[int, HeaderField]]:
    """The fields that the signature covers, with their places; the signature field itself is the last."""
    chosen = {id(field) for field in signed_fields(signed.fields, signed.signature.header_names) if field}
    for index, field in enumerate(signed.fields):
        if id(field) in chosen:
            yield index, field
    for index, field in enumerate(signed.fields):
        if field is signed.header:
            yield index, field


def _plausible(signed: SignedHeader) -> Iterator[_Edit]:
    """What programs on the way do to one field; few enough to be tried in pairs."""
    for index, field in _covered(signed):
        shown = field.name.decode()
        if field is not signed.header:
            change = Change(ChangeKind.FIELD_ADDED, f"the field {shown} is taken away", shown)
            yield _Edit(index, None, change)
            for cut in (*without_marks(field), *rewritten(field)):
                yield _Edit(index, cut[1], cut[0])
            yield from _kept_beside(signed, index, field)
        yield from _blanks(signed, index, field)
    present = {field.name.lower() for field in signed.fields}
    for name in dict.fromkeys(name.lower() for name in signed.signature.header_names):
        for value in () if name in present else _KNOWN.get(name, ()):
            made = HeaderField(b"%b: %b\r\n" % (name, value), name)
            undone = f'the field {signed.spelled(name).decode()} is put back as "{value.decode()}"'
            yield _Edit(
                len(signed.fields), made, Change(ChangeKind.FIELD_REMOVED, undone, made.name.decode())
            )


def _kept_beside(signed: SignedHeader, index: int, field: HeaderField) -> Iterator[_Edit]:
    """The field as another one remembers it, as X-Original-From or the Reply-To of a mailing list."""
    name = field.name.lower()
    for other in signed.fields:
        kept = _KEPT_BESIDE.match(other.name)
        if (kept and kept[1].lower() == name) or (name == b"from" and other.name.lower() == b"reply-to"):
            shown = f"{field.name.decode()} gets the value of {other.name.decode()} back"
            change = Change(ChangeKind.FIELD_REPLACED, shown, field.name.decode())
            yield _Edit(index, with_value(field, other.value), change)


def _blanks(signed: SignedHeader, index: int, field: HeaderField) -> Iterator[_Edit]:
    """The field folded, spaced or spelled in another way, which the simple form alone sees."""
    shown = field.name.decode()
    for form in _forms(signed, field):
        if form.field.raw != field.raw:
            yield _Edit(index, form.field, Change(form.kind, f"in {shown} {form.undone}", shown))


def _forms(signed: SignedHeader, field: HeaderField) -> list[Form]:
    if signed.signature.header_canonicalization is not Canonicalization.SIMPLE:
        return []
    return list(simple_forms(field, signed.spelled(field.name)))


def _everywhere(signed: SignedHeader) -> Iterator[tuple[_Edit, ...]]:
    """One transformation of the simple form done to all fields, as an MTA does that writes headers anew."""
    forms = [(index, field, _forms(signed, field)) for index, field in _covered(signed)]
    for number in range(min((len(each) for *_, each in forms), default=0)):
        edits = []
        for index, field, each in forms:
            form = each[number]
            if form.field.raw != field.raw:
                change = Change(form.kind, f"in all signed fields {form.undone}")
                edits.append(_Edit(index, form.field, change))
        if len(edits) > 1:
            yield tuple(edits)
        without = [edit for edit in edits if signed.fields[edit.index] is not signed.header]
        if 1 < len(without) < len(edits):
            yield tuple(without)


def _from_copies(signed: SignedHeader) -> tuple[_Edit, ...]:
    """The fields as z= keeps them, where they are others now."""
    found = []
    copies: dict[bytes, list[bytes]] = {}
    for copy in without_blanks(parse_tag_list(signed.header.value).get("z", b"")).split(b"|"):
        name, colon, value = copy.partition(b":")
        if colon:
            plain = _OCTET.sub(lambda octet: bytes((int(octet[1], 16),)), value)
            copies.setdefault(name.strip().lower(), []).append(plain)
    for index, field in _covered(signed):
        kept = copies.get(field.name.lower(), [])
        if field is signed.header or len(kept) != 1 or kept[0].split() == field.value.split():
            continue
        was = b" ".join(kept[0].split()).decode("utf-8", "replace")
        undone = f'{field.name.decode()} is "{was}" again, as z= keeps it'
        change = Change(ChangeKind.FIELD_REPLACED, undone, field.name.decode())
        found.append(_Edit(index, with_value(field, kept[0]), change))
    present = {field.name.lower() for field in signed.fields}
    for name, kept in copies.items():
        if name not in present and name in {each.lower() for each in signed.signature.header_names}:
            shown = signed.spelled(name).decode()
            was = b" ".join(kept[0].split()).decode("utf-8", "replace")
            change = Change(
                ChangeKind.FIELD_REMOVED, f'{shown} is put back as "{was}", as z= keeps it', shown
            )
            made = HeaderField(b"%b:%b\r\n" % (shown.encode(), kept[0]), shown.encode())
            found.append(_Edit(len(signed.fields), made, change))
    return tuple(found)


def _find_octet(signed: SignedHeader) -> tuple[Change, ...]:
    """One octet of one field, where the signature gives the right digest away."""
    if signed.digest is None:
        return ()
    pieces = signed_data(signed.fields, signed.signature, signed.header)
    octet = find_octet(b"".join(pieces), signed.digest)
    if octet is None:
        return ()
    at = octet.position
    for piece in pieces:
        if at < len(piece):
            name = piece.partition(b":")[0].decode("ascii", "replace")
            spelled = signed.spelled(name.lower().encode()).decode()
            undone = f"in the field {spelled} {said_of(octet)} (octet {at + 1} of its canonical form)"
            return (Change(ChangeKind.ONE_OCTET, undone, spelled, at, 1),)
        at -= len(piece)
    return ()
