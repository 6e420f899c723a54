"""Keys made once a session, and messages small enough to read."""

import pytest

from mailseal.dkim.keys import PrivateKey, generate_private_key
from mailseal.dkim.message import Message, parse_message


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return generate_private_key(2048)


@pytest.fixture(scope="session")
def short_key() -> PrivateKey:
    return generate_private_key(1024)


@pytest.fixture
def message() -> Message:
    return parse_message(
        b"Received: from somewhere\r\n\tby somewhere else\r\n"
        b"From: Alice <alice@example.com>\r\n"
        b"TO: bob@example.org,\r\n  carol@example.org\r\n"
        b"Subject:  Two  blanks \r\n"
        b"X-Mailer: none\r\n"
        b"\r\n"
        b"Hello  there \r\n\r\n\r\n"
    )
