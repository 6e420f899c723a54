"""Access keys and accounts as an operator makes them and boto3 meets them: real processes, real requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.journeys.test_serve import Installation

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


def client(url: str, access_key_id: str, secret: str, region: str = "us-east-1") -> Any:
    """A client of boto3 that asks once."""
    return boto3.client(
        "sesv2",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
    )


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """The error that boto3 raises for a call: its code and its sentence."""
    with pytest.raises(ClientError) as told:
        call(**arguments)
    return told.value.response["Error"]["Code"], told.value.response["Error"]["Message"]


def told(installation: Installation, *words: str) -> Any:
    """The object that a command answers with."""
    done = installation.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_keys_of_a_running_server_are_made_held_to_their_lists_and_disabled(
    installation: Installation,
) -> None:
    installation.init()
    with installation.serving() as (_, ready):
        made = told(installation, "access", "create", "--label", "the shop", "--allow", "ses:Get*")
        narrow = client(ready["api"], made["access_key_id"], made["secret_access_key"])
        code, message = refused(narrow.create_email_identity, EmailIdentity="shop.example")
        assert code == "AccessDeniedException"
        assert message == (
            f"User: arn:aws:iam::000000000001:user/{made['access_key_id']} is not authorized to perform: "
            "ses:CreateEmailIdentity on resource: arn:aws:ses:us-east-1:000000000001:identity/shop.example"
        )
        wide = told(installation, "access", "create")
        ses = client(ready["api"], wide["access_key_id"], wide["secret_access_key"])
        ses.create_email_identity(EmailIdentity="shop.example")
        assert narrow.get_email_identity(EmailIdentity="shop.example")["IdentityType"] == "DOMAIN"

        screen = installation.run("access", "disable", wide["access_key_id"])
        assert "disabled" in screen.stdout
        assert f"Next: mailseal access enable {wide['access_key_id']}" in screen.stderr
        wrong = client(ready["api"], made["access_key_id"], "not the secret")
        unknown = client(ready["api"], "AKIAUNKNOWN", "any secret")
        answers = {
            refused(one.get_email_identity, EmailIdentity="shop.example") for one in (ses, wrong, unknown)
        }
        assert len(answers) == 1, "disabled, unknown and wrong look alike"
        assert answers.pop()[0] == "InvalidSignatureException"
        told(installation, "access", "enable", wide["access_key_id"])
        ses.get_email_identity(EmailIdentity="shop.example")


def test_an_account_has_its_own_identities_limits_and_rate(installation: Installation) -> None:
    installation.init()
    with installation.serving() as (_, ready):
        shop = told(installation, "account", "create", "--identities", "1", "--label", "the shop")
        assert shop["account"] == "000000000002"
        key = told(installation, "access", "create", "--account", shop["account"])
        first = told(installation, "access", "create")
        theirs = client(ready["api"], key["access_key_id"], key["secret_access_key"])
        ours = client(ready["api"], first["access_key_id"], first["secret_access_key"])
        theirs.create_email_identity(EmailIdentity="shop.example")
        code, message = refused(theirs.create_email_identity, EmailIdentity="another.example")
        assert (code, "limit of 1 identities" in message) == ("LimitExceededException", True)
        assert refused(ours.get_email_identity, EmailIdentity="shop.example")[0] == "NotFoundException"
        ours.create_email_identity(EmailIdentity="shop.example")

        told(installation, "account", "set", "000000000002", "--rate", "1", "--burst", "2")
        codes = []
        for _ in range(6):
            try:
                theirs.get_email_identity(EmailIdentity="shop.example")
                codes.append("")
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                codes.append(
                    f"{status} {error.response['Error']['Code']}: {error.response['Error']['Message']}"
                )
        assert codes[0] == ""
        assert set(codes) == {"", "429 TooManyRequestsException: Rate exceeded"}
        for _ in range(6):
            ours.get_email_identity(EmailIdentity="shop.example")
        told(installation, "account", "set", "000000000002", "--rate", "off")
        for _ in range(6):
            theirs.get_email_identity(EmailIdentity="shop.example")


def test_where_nothing_runs_the_commands_open_the_database_themselves(installation: Installation) -> None:
    made = installation.init()
    secret = installation.folder / "secret"
    secret.write_text("kept/for+years\n")
    done = installation.run("access", "import", "AKIAOLDOLDOLDOLDOLD1", "--secret-file", str(secret))
    assert (done.returncode, "AKIAOLDOLDOLDOLDOLD1  enabled  account 000000000001" in done.stdout) == (
        0,
        True,
    )
    assert "kept/for+years" not in done.stdout + done.stderr
    listed = installation.run("access", "list")
    assert [line.split("\t")[:2] for line in listed.stdout.splitlines()] == sorted(
        [["AKIAOLDOLDOLDOLDOLD1", "enabled"], [made["access_key_id"], "enabled"]]
    )
    with installation.serving() as (_, ready):
        old = client(ready["api"], "AKIAOLDOLDOLDOLDOLD1", "kept/for+years")
        assert old.list_email_identities()["EmailIdentities"] == []


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("access", "import", "AKIAOLD"), 2, "no secret was given"),
        (("access", "import", "AKIAOLD", "--secret-file", "nowhere"), 2, "nowhere cannot be read"),
        (("access", "delete", "AKIAOLD"), 2, "AKIAOLD was not deleted"),
        (("access", "delete", "AKIAOLD", "--yes"), 3, "Access key AKIAOLD does not exist."),
        (("access", "create", "--account", "000000000009"), 3, "Account 000000000009 does not exist."),
        (("access", "create", "--allow", "SendEmail"), 3, "begins with ses:"),
        (("account", "set", "000000000001"), 2, "nothing to set"),
        (("account", "set", "000000000001", "--rate", "fast"), 2, "--rate 'fast' is not a number"),
        (("account", "show", "000000000009"), 3, "Account 000000000009 does not exist."),
    ],
)
def test_a_refused_command_says_what_to_do(
    installation: Installation, words: tuple[str, ...], code: int, what: str
) -> None:
    installation.init()
    done = installation.run(*words)
    assert done.returncode == code, done.stderr
    assert what in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str], Path]]:
    """A sandbox for test suites with dummy keys: its first screen, its variables, its folder."""
    folder = tmp_path_factory.mktemp("any")
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAILSEAL_"))
    }

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "mailseal", "sandbox", "--data", str(folder / "box"), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, cwd=folder, env=surroundings
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    screen = run(
        *("--detach", "--ports", "auto", "--publish-after", "never"),
        *("--any-credentials", "--access-key", "AKIDSHOP:shop:secret"),
    )
    lines = run("env", "--format", "dotenv").splitlines()
    yield screen, dict(line.split("=", 1) for line in lines if "=" in line), folder / "box"
    run("stop")


def test_a_sandbox_says_that_it_lets_everybody_in(box: tuple[str, dict[str, str], Path]) -> None:
    screen, variables, folder = box
    warnings = [line for line in screen.splitlines() if "Any credentials" in line]
    assert len(warnings) == 1
    assert "any credentials" in (folder / "sandbox.log").read_text()
    assert variables["AWS_ACCESS_KEY_ID"] == "AKIDSHOP"
    assert variables["AWS_SECRET_ACCESS_KEY"] == "shop:secret"


@pytest.mark.parametrize(
    ("access_key_id", "secret"),
    [("test", "test"), ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI"), ("AKIDSHOP", "shop:secret")],
)
def test_dummy_keys_and_fixed_ones_are_one_account(
    box: tuple[str, dict[str, str], Path], access_key_id: str, secret: str
) -> None:
    ses = client(box[1]["AWS_ENDPOINT_URL_SESV2"], access_key_id, secret)
    name = f"{access_key_id.lower()}.example.com"
    ses.create_email_identity(EmailIdentity=name)
    fixed = client(box[1]["AWS_ENDPOINT_URL_SESV2"], "AKIDSHOP", "shop:secret")
    assert fixed.get_email_identity(EmailIdentity=name)["IdentityType"] == "DOMAIN"


def test_a_key_that_exists_is_not_let_in_by_another_secret(box: tuple[str, dict[str, str], Path]) -> None:
    ses = client(box[1]["AWS_ENDPOINT_URL_SESV2"], "AKIDSHOP", "mistyped")
    assert refused(ses.list_email_identities)[0] == "InvalidSignatureException"
