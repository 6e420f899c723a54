"""XML that we write is read by a parser as what was meant, whatever it holds."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from mailseal.core.errors import BadRequest, NotAuthenticated
from mailseal.sesv1.answers import NAMESPACE, element, error_response, response, result
from mailseal.sesv1.errors import wire_error

ANY_TEXT = st.text(max_size=40) | st.binary(max_size=20).map(lambda raw: raw.decode("latin-1"))


def as_xml(text: str) -> str:
    """The text as XML 1.0 can hold it."""
    return "".join(
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else "\ufffd"
        for c in text
    )


@given(ANY_TEXT)
def test_a_text_is_read_back(text: str) -> None:
    assert (ET.fromstring(element("a", text)).text or "") == as_xml(text)


@given(ANY_TEXT, ANY_TEXT)
def test_an_error_is_read_back(message: str, hint: str) -> None:
    root = ET.fromstring(error_response(wire_error(NotAuthenticated(message, hint=hint)), "r-1"))
    space = {"s": NAMESPACE}
    assert (root.findtext("s:Error/s:Message", None, space) or "") == as_xml(message)
    assert (root.findtext("s:Error/s:Hint", "", space) or "") == as_xml(hint)
    assert root.findtext("s:RequestId", None, space) == "r-1"


def test_a_hint_follows_the_sentence_only_where_programs_do_not_match_it() -> None:
    assert wire_error(BadRequest("No.", hint="Do this.")).message == "No. Do this."
    told = wire_error(NotAuthenticated("No.", hint="Do this."))
    assert (told.message, told.hint) == ("No.", "Do this.")


def test_an_empty_result_is_there() -> None:
    expected = (
        f'<DeleteIdentityResponse xmlns="{NAMESPACE}"><DeleteIdentityResult></DeleteIdentityResult>'
        "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DeleteIdentityResponse>"
    )
    assert response("DeleteIdentity", result("DeleteIdentity"), "r-1").decode() == expected
