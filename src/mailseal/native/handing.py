"""The native API's calls that hand records over: of one identity or of all, as objects or in a tool's form.

Rule: a whole account is never held in memory: it is read page by page, and written as it is read.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from mailseal.core.access import Principal
from mailseal.core.errors import BadRequest
from mailseal.handoff.formats import FORMATS, Format
from mailseal.handoff.records import Record, Sheet
from mailseal.service.handing import RECORD_TTL, ToPublish, all_to_publish
from mailseal.service.world import World

_IDENTITIES_AT_ONCE = 50
"""They are read on the event loop's thread, where everybody else waits."""


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no object: the name of its file, and its pieces as they are made."""

    media_type: str
    file_name: str
    pieces: AsyncIterator[str]


def parse_format(word: str) -> Format:
    """The format of that name; raises BadRequest."""
    if word not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}.")
    return FORMATS[word]


def sheet_of(found: ToPublish) -> Sheet:
    """What one identity has to publish, as the formats take it."""
    records = (Record(one.owner, one.type, one.value, RECORD_TTL) for one in found.records)
    return Sheet(found.identity.name, found.zone, tuple(records))


def written(found: ToPublish, word: str) -> Text:
    """The records of one identity in a format."""
    form = parse_format(word)

    async def pieces() -> AsyncIterator[str]:
        yield form.head + form.write(sheet_of(found))

    return Text(form.media_type, f"{found.identity.name}.{form.suffix}", pieces())


def all_written(world: World, who: Principal, word: str, now: datetime) -> Text:
    """The records of all domains of the account in a format."""
    form = parse_format(word)
    return Text(form.media_type, f"mailseal.{form.suffix}", _pieces(world, who, form, now))


async def _pieces(world: World, who: Principal, form: Format, now: datetime) -> AsyncIterator[str]:
    token: str | None = ""
    head = form.head
    while token is not None:
        page = await all_to_publish(world, who, token, _IDENTITIES_AT_ONCE, now)
        yield head + "".join(form.write(sheet_of(found)) for found in page.items)
        head, token = "", page.next_token
