"""boto3, unmodified, over real HTTP to the front end; the use cases behind it are data."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mailseal.app.http import listen_http
from mailseal.app.ports import bind_stream
from mailseal.core.errors import TooManyRequests
from tests.unit.sesv2.rig import KEY_ID, SECRET, TOKENS, ZONE, Rig


@dataclass
class Served:
    """A front end that listens, and what is behind it."""

    rig: Rig
    port: int

    def client(self, *, secret: str = SECRET, region: str = "us-east-1", retries: int = 1) -> Any:
        """A client of boto3."""
        return boto3.client(
            "sesv2",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": retries}, connect_timeout=5, read_timeout=10),
        )


@pytest.fixture
def served() -> Iterator[Served]:
    rig = Rig()
    rig.world.clock.real_now = lambda: datetime.now(UTC)
    opened = bind_stream(("127.0.0.1", 0), key="test")
    port = opened.getsockname()[1]
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        listener = await listen_http(rig.api, [opened])
        started.set()
        await stop.wait()
        await listener.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield Served(rig, port)
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not thread.is_alive()


def refused(call: Any, **arguments: Any) -> dict[str, Any]:
    """The error that boto3 raises for a call."""
    with pytest.raises(ClientError) as told:
        call(**arguments)
    return told.value.response


def test_the_whole_life_of_an_identity_through_boto3(served: Served) -> None:
    client = served.client()
    made = client.create_email_identity(EmailIdentity="example.com", Tags=[{"Key": "k", "Value": "v"}])
    assert made["DkimAttributes"]["Status"] == "NOT_STARTED"
    assert made["DkimAttributes"]["Tokens"] == list(TOKENS)
    assert isinstance(made["DkimAttributes"]["LastKeyGenerationTimestamp"], datetime)
    found = client.get_email_identity(EmailIdentity="example.com")
    assert found["DkimAttributes"]["Status"] == "PENDING"
    assert found["Tags"] == [{"Key": "k", "Value": "v"}]
    changed = client.put_email_identity_dkim_signing_attributes(
        EmailIdentity="example.com",
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": "QUJD"},
    )
    assert (changed["DkimStatus"], changed["DkimTokens"]) == ("PENDING", ["s1"])
    assert "SigningHostedZone" not in changed
    back = client.put_email_identity_dkim_signing_attributes(
        EmailIdentity="example.com", SigningAttributesOrigin="AWS_SES"
    )
    assert back["SigningHostedZone"] == ZONE
    client.put_email_identity_dkim_attributes(EmailIdentity="example.com", SigningEnabled=False)
    assert not client.get_email_identity(EmailIdentity="example.com")["DkimAttributes"]["SigningEnabled"]
    listed = client.list_email_identities(PageSize=10)
    assert [row["IdentityName"] for row in listed["EmailIdentities"]] == ["example.com"]
    client.delete_email_identity(EmailIdentity="example.com")
    assert client.list_email_identities()["EmailIdentities"] == []


def test_a_message_of_thirty_mebibytes_goes_through(served: Served) -> None:
    message = b"From: a@example.com\r\n\r\n" + b"x" * (30 * 2**20)
    answer = served.client().send_email(Content={"Raw": {"Data": message}})
    assert answer["MessageId"]
    assert served.rig.cases.arrived[0].raw == message


def test_boto3_raises_the_modelled_exceptions(served: Served) -> None:
    client = served.client()
    with pytest.raises(client.exceptions.NotFoundException, match="Email identity nobody"):
        client.get_email_identity(EmailIdentity="nobody.example")
    client.create_email_identity(EmailIdentity="example.com")
    with pytest.raises(client.exceptions.AlreadyExistsException):
        client.create_email_identity(EmailIdentity="example.com")
    with pytest.raises(client.exceptions.BadRequestException, match="A selector is one DNS label"):
        client.put_email_identity_dkim_signing_attributes(
            EmailIdentity="example.com",
            SigningAttributesOrigin="EXTERNAL",
            SigningAttributes={"DomainSigningSelector": "a.b", "DomainSigningPrivateKey": "QUJD"},
        )
    with pytest.raises(client.exceptions.BadRequestException, match="does not serve CreateContactList"):
        client.create_contact_list(ContactListName="x")


@pytest.mark.parametrize("name", ["user@example.com", "user+x@example.com", "a~b@example.com", "exämple.com"])
def test_names_arrive_as_they_were_written(served: Served, name: str) -> None:
    error = refused(served.client().get_email_identity, EmailIdentity=name)
    assert error["Error"] == {
        "Code": "NotFoundException",
        "Message": f"Email identity {name} does not exist.",
    }


@pytest.mark.parametrize("name", ["a/b@example.com", "../identities", "a/../b", "."])
def test_names_that_are_no_single_segment_are_refused(served: Served, name: str) -> None:
    error = refused(served.client().get_email_identity, EmailIdentity=name)
    assert error["Error"]["Code"] in {"BadRequestException", "UnknownOperationException"}
    assert served.rig.cases.arrived == []


def test_a_wrong_secret_and_a_wrong_region_are_told(served: Served) -> None:
    wrong = refused(served.client(secret="wrong").list_email_identities)
    assert (wrong["Error"]["Code"], wrong["ResponseMetadata"]["HTTPStatusCode"]) == (
        "InvalidSignatureException",
        403,
    )
    assert (
        refused(served.client(region="mars-north-1").list_email_identities)["Error"]["Code"]
        == wrong["Error"]["Code"]
    )


def test_every_answer_has_a_request_id_and_a_true_date(served: Served) -> None:
    metadata = served.client().list_email_identities()["ResponseMetadata"]
    assert len(metadata["RequestId"]) == 36
    date = parsedate_to_datetime(metadata["HTTPHeaders"]["date"])
    assert abs((datetime.now(UTC) - date).total_seconds()) < 5


def test_a_throttled_call_is_tried_again_by_botocore(served: Served) -> None:
    served.rig.cases.raises = TooManyRequests("Rate exceeded")
    error = refused(served.client(retries=2).create_email_identity, EmailIdentity="example.com")
    assert error["Error"]["Code"] == "TooManyRequestsException"
    assert len(served.rig.cases.arrived) == 2


def ask(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """An unsigned request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PATCH"])
def test_a_browser_at_the_front_door_gets_json(served: Served, method: str) -> None:
    answer = ask(served.port, method, "/")
    assert answer.status == 404
    assert answer.getheader("content-type") == "application/json"
    assert answer.getheader("date")


def test_an_unsigned_request_is_refused(served: Served) -> None:
    answer = ask(served.port, "GET", "/v2/email/identities")
    assert (answer.status, answer.getheader("x-amzn-errortype")) == (
        403,
        "MissingAuthenticationTokenException",
    )


def test_two_lengths_and_half_a_request_line_do_not_reach_a_use_case(served: Served) -> None:
    post = b"POST /v2/email/identities HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    smuggled = [
        post + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"Content-Length: 6\r\n\r\nhello!",
        b"GET /v2/email/identities\r\n\r\n",
        b"GET /v2/email/identities HTTP/1.1\nHost: x\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]
    for request in smuggled:
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b""), (request, answer)
    assert served.rig.cases.arrived == []
