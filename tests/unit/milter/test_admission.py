"""Who hands a letter in decides for whom it is signed, and nothing that the letter says."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from mailseal.milter.admission import Place, Stranger, Terms, place_of
from mailseal.milter.conversation import Letter

A, B = Place("000000000001", "us-east-1"), Place("000000000002", "eu-west-1")
NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1"))
ANY_LOGIN = Terms(A, {}, NETWORKS)
LISTED = Terms(A, {"b": B, "*@b.example": B}, NETWORKS)
LOGINS_ALONE = Terms(None, {"b": B}, NETWORKS)


@pytest.mark.parametrize(
    ("terms", "client", "login", "found"),
    [
        (ANY_LOGIN, "192.0.2.7", "", Stranger.CLIENT),
        (ANY_LOGIN, "", "", Stranger.CLIENT),
        (ANY_LOGIN, "unknown", "", Stranger.CLIENT),
        (ANY_LOGIN, "127.0.0.1", "", A),
        (ANY_LOGIN, "::1", "", A),
        (ANY_LOGIN, "::ffff:127.0.0.1", "", A),
        (ANY_LOGIN, "::ffff:192.0.2.7", "", Stranger.CLIENT),
        (ANY_LOGIN, "local", "", A),
        (ANY_LOGIN, "192.0.2.7", "anybody", A),
        (LISTED, "192.0.2.7", "b", B),
        (LISTED, "192.0.2.7", "x@B.example", B),
        (LISTED, "192.0.2.7", "B", Stranger.LOGIN),
        (LISTED, "192.0.2.7", "x@sub.b.example", Stranger.LOGIN),
        (LISTED, "192.0.2.7", "@b.example.org", Stranger.LOGIN),
        (LISTED, "127.0.0.1", "somebody else", Stranger.LOGIN),
        (LISTED, "127.0.0.1", "", A),
        (LOGINS_ALONE, "127.0.0.1", "", Stranger.CLIENT),
        (LOGINS_ALONE, "192.0.2.7", "b", B),
    ],
)
def test_a_letter_is_signed_for_whom_its_login_or_its_client_belongs_to(
    terms: Terms, client: str, login: str, found: Place | Stranger
) -> None:
    assert place_of(terms, Letter(client, login, "4X", b"")) == found
