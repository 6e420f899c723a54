"""Which work a process does, where not every process does all of it.

Rule: what no process does is done by nobody; on SQLite, where there is but one, it has to do the work that
nobody asks for.
References: docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from mailseal.config import Config, SetupError


class Role(StrEnum):
    """A part of the work."""

    API = "api"
    DNS = "dns"
    SIGNER = "signer"
    """Mail submission and the milter."""
    WORKER = "worker"
    """Checks, rotations, publication, the stock of keys."""


Roles = frozenset[Role]
ALL: Roles = frozenset(Role)


def parse_roles(words: Sequence[str]) -> Roles:
    """The roles of `--role api,dns --role worker`, all where none is named; raises SetupError."""
    named = [word.strip() for text in words for word in text.split(",") if word.strip()]
    unknown = sorted(set(named) - {role.value for role in Role})
    if unknown:
        raise SetupError(f"{unknown[0]!r} is not a role", do=f"--role {','.join(Role)}, or some of them")
    return frozenset(Role(word) for word in named) or ALL


def check_roles(config: Config, roles: Roles, processes: int = 1) -> None:
    """Raises SetupError for roles or a number of processes that this database cannot have."""
    if not config.store.database.startswith("sqlite:"):
        return
    move = '[store] database = "postgresql:…", where any number of processes and machines are equals'
    if processes > 1:
        raise SetupError(
            f"--processes {processes} needs PostgreSQL",
            "on SQLite one process writes, so that nothing acknowledged is ever lost",
            f"leave --processes out, or move: {move}",
        )
    if Role.WORKER not in roles:
        raise SetupError(
            "on SQLite the one process needs the role worker",
            "there is no other one that would check records, publish and rotate keys",
            f"add it: --role {','.join(sorted(roles | {Role.WORKER}))}; or move: {move}",
        )
