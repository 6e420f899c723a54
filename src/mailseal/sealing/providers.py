"""From the words of [store] master_key to the master key: which kinds there are, and how each is opened.

Rule: a key that is missing is never made anew behind the operator's back; only who asks for a first or a next
master key gets a fresh one, and only where a key service keeps it wrapped in our database.
References: docs/operating.md.

    file:/path  credential:NAME  command:/program words  env:NAME      hold the master key itself
    aws-kms:KEY[@URL]  vault:URL#KEY                                   wrap one that lies in our database

    master_key_check           made with the master key in use; begins with its id
    wrapped_master_key:ID      a master key as a key service wrapped it
    master_key_successor:OLD   sealed with OLD: the words of the provider that replaced it
    master_key_predecessor     sealed with the one in use, while keys still move: the older master key itself
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mailseal.sealing.masterkey import MasterKey, MasterKeyRefused, master_key_of, new_master_key
from mailseal.sealing.sources import from_command, from_credential, from_environment, from_file
from mailseal.sealing.wrapping import KeyService, KmsService, VaultService

CHECK_VALUE = "master_key_check"
WRAPPED = "wrapped_master_key:"
SUCCESSOR = "master_key_successor:"
PREDECESSOR = "master_key_predecessor"
"""Names among the installation's values, as the table above says."""

OWN_NAMES = (CHECK_VALUE, WRAPPED, SUCCESSOR, PREDECESSOR)
"""How the names of the values begin that belong to master keys; all other sealed values are secrets."""

KINDS = ("file:/path", "credential:NAME", "command:/program", "env:NAME", "aws-kms:KEY", "vault:URL#KEY")
_WRAPPING: Mapping[str, Callable[[str], KeyService]] = {"aws-kms": KmsService, "vault": VaultService}
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A master key to begin with, and what has to be stored so that it can be opened again."""

    master: MasterKey
    values: Mapping[str, bytes]


def load_master_key(
    provider: str, *, data_dir: Path | None = None, stored: Mapping[str, bytes] = _NOTHING
) -> MasterKey:
    """The master key that `provider` names; raises MasterKeyRefused.

    A file must belong to us, be readable by nobody else, be no symbolic link and lie outside `data_dir`,
    because a copy of the data must not open itself. `stored` are the installation's values.
    """
    kind, rest = _split(provider)
    if kind in _WRAPPING:
        return _unwrapped(kind, _WRAPPING[kind](rest), stored)
    if kind == "file":
        return from_file(Path(rest), data_dir)
    if kind == "credential":
        return from_credential(rest)
    if kind == "command":
        return from_command(rest)
    return from_environment(rest)


def first_master_key(provider: str, *, data_dir: Path | None = None) -> FirstKey:
    """A master key that nothing was sealed with yet; a key service wraps a fresh one, others hold theirs."""
    kind, rest = _split(provider)
    if kind not in _WRAPPING:
        return FirstKey(load_master_key(provider, data_dir=data_dir), _NOTHING)
    service = _WRAPPING[kind](rest)
    master = master_key_of(new_master_key(), service.where)
    wrapped = service.wrap(master.secret.reveal(), _about(master.key_id))
    return FirstKey(master, {WRAPPED + master.key_id: kind.encode() + b"\0" + wrapped})


def _split(provider: str) -> tuple[str, str]:
    kind, _, rest = provider.partition(":")
    if rest and kind in {*_WRAPPING, "file", "credential", "command", "env"}:
        return kind, rest
    raise MasterKeyRefused(
        "[store] master_key does not say where the master key is",
        why=f"it is none of {', '.join(KINDS)}",
        do='write [store] master_key = "file:/etc/mailseal/master.key"',
    )


def _unwrapped(kind: str, service: KeyService, stored: Mapping[str, bytes]) -> MasterKey:
    """The stored master key that this service wrapped, the one in use before an older one."""
    head = kind.encode() + b"\0"
    found = {
        name.removeprefix(WRAPPED): value.removeprefix(head)
        for name, value in stored.items()
        if name.startswith(WRAPPED) and value.startswith(head)
    }
    in_use = stored.get(CHECK_VALUE, b"").decode("ascii", "replace")
    refused: MasterKeyRefused | None = None
    for key_id in sorted(found, key=lambda one: (not in_use.startswith(one), one)):
        try:
            secret = service.unwrap(found[key_id], _about(key_id))
            return _checked(secret, key_id, service)
        except MasterKeyRefused as refusal:
            refused = refused or refusal
    raise refused or MasterKeyRefused(
        f"the database has no master key that {service.where} wrapped",
        why="another provider holds the one that it was sealed with",
        do="name that provider in [store] master_key; mailseal keys rotate-master changes it",
    )


def _checked(secret: bytes, key_id: str, service: KeyService) -> MasterKey:
    try:
        master = master_key_of(secret, service.where)
    except ValueError:
        master = None
    if master is None or master.key_id != key_id:
        raise MasterKeyRefused(
            f"what {service.where} unwrapped is not master key {key_id}",
            why="the wrapped key or the service behind the URL is another one than when it was made",
            do="correct [store] master_key, or restore the database from its backup",
        )
    return master


def _about(key_id: str) -> Mapping[str, str]:
    """What a wrapped master key is bound to."""
    return {"application": "mailseal", "master_key_id": key_id}
