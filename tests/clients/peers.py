"""The clients: what each is called, how it is started, what it plays.

Rule: data only; an environment is a folder below environments/ with a lock, made by tools/clients.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.clients.driving import ENVIRONMENTS, HERE
from tests.clients.scenario import BOTH_APIS, SCENARIO
from tests.clients.stories import ANYMAIL, TERRAFORM
from tests.clients.story import Scene

PROGRAMS = HERE / "programs"


@dataclass(frozen=True)
class Peer:
    """One client of the table."""

    name: str
    environment: str
    program: str
    scenes: Sequence[Scene] = SCENARIO

    def command(self) -> list[str]:
        """How it is started."""
        place = ENVIRONMENTS / self.environment
        program = str(PROGRAMS / self.program)
        if self.program.endswith(".mjs"):
            return ["node", program, str(place)]
        return [str(place / "bin" / "python"), program]

    def is_there(self) -> bool:
        """Whether its environment has been made."""
        return (ENVIRONMENTS / self.environment / "made-from").is_file()


GENERATIONS = ("boto3-1.26", "boto3-1.34", "boto3-1.38", "boto3-1.42", "boto3-newest")
SDKS = (
    *(Peer(name.replace("-", " "), name, "boto.py", BOTH_APIS) for name in GENERATIONS),
    Peer("aiobotocore", "aiobotocore", "aio.py", BOTH_APIS),
    Peer("awscli", "awscli", "cli.py", BOTH_APIS),
    Peer("JS 2025", "js-2025", "sdk.mjs"),
    Peer("JS newest", "js-newest", "sdk.mjs"),
)
ANYMAIL_PEER = Peer("django-anymail", "anymail", "anymail_ses.py", ANYMAIL)
TERRAFORM_PEER = Peer("terraform-provider-aws", "boto3-newest", "terraform_stories.py", TERRAFORM)
PEERS = (*SDKS, ANYMAIL_PEER, TERRAFORM_PEER)
