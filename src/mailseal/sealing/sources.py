"""Where a master key is read from as it is: a file, a systemd credential, a command, the environment.

Rule: what others on the machine could read or swap is refused; whatever is read has a bound in size, and a
command one in time. Nothing that was read stands in a message.
References: docs/operating.md; open(2) for O_NOFOLLOW; systemd.exec(5) for $CREDENTIALS_DIRECTORY.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import stat
import subprocess
import time
from pathlib import Path

from mailseal.sealing.masterkey import MasterKey, MasterKeyRefused, parse_master_key

COMMAND_PATIENCE_S = 30.0
_LONGEST = 256


def from_environment(name: str) -> MasterKey:
    """The master key in an environment variable."""
    text = os.environ.get(name)
    if not text:
        raise MasterKeyRefused(
            f"the environment variable {name} is not set",
            why="the master key is to be in it",
            do="set it to the base64 of 32 octets, or name a file: file:/etc/mailseal/master.key",
        )
    return parse_master_key(text.encode("utf-8", "replace"), f"the environment variable {name}")


def from_file(path: Path, data_dir: Path | None) -> MasterKey:
    """The master key in a file that belongs to us, that nobody else can reach, outside the data folder."""
    if data_dir is not None and path.resolve().is_relative_to(data_dir.resolve()):
        raise MasterKeyRefused(
            f"{path} lies in the data folder",
            why="whoever copies the data would copy the key that opens it",
            do=f"move it out of {data_dir}, to /etc/mailseal/master.key say",
        )
    return parse_master_key(_read_private(path, others=0o177), str(path))


def from_credential(name: str) -> MasterKey:
    """The master key in a credential that systemd handed to this service."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise MasterKeyRefused(
            "systemd has handed over no credentials",
            why=f"$CREDENTIALS_DIRECTORY is not set, and the master key is to be {name} in it",
            do=f"LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{name} in the unit",
        )
    if "/" in name or name in {".", ".."}:
        raise MasterKeyRefused(
            f"{name!r} is not the name of a credential",
            why="a credential's name has no slash",
            do='master_key = "credential:mailseal.master"',
        )
    # The group bits are an access list's mask there (systemd gives the service's user read access by one).
    return parse_master_key(_read_private(Path(folder, name), others=0o137), f"the credential {name}")


def from_command(line: str, *, patience: float = COMMAND_PATIENCE_S) -> MasterKey:
    """The master key that a command prints, as its base64 and nothing else.

    The command is started without a shell, its standard input is empty; it has 30 seconds.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if not words or not words[0].startswith("/"):
        raise MasterKeyRefused(
            "[store] master_key does not name a command",
            why="it is started without a shell, so it needs its whole path, and quotes that are closed",
            do='master_key = "command:/usr/local/bin/print-master-key"',
        )
    return parse_master_key(_output_of(words, patience), f"the output of {words[0]}")


def _read_private(path: Path, *, others: int) -> bytes:
    """What a small file holds; raises MasterKeyRefused where any mode bit in `others` is set."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise MasterKeyRefused(
            f"{path} cannot be read: {error.strerror}",
            why="without the master key no private key opens; a new one would open none of them",
            do="put its backup back, or correct [store] master_key",
        ) from None
    try:
        _judge_file(os.fstat(descriptor), path, others)
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)


def _judge_file(status: os.stat_result, path: Path, others: int) -> None:
    """Raises MasterKeyRefused for whatever others can read or write, and for what is no file."""
    if not stat.S_ISREG(status.st_mode):
        raise MasterKeyRefused(
            f"{path} is not a regular file",
            why="the master key is read from a file that nobody can swap",
            do="name the file itself, not a link to it",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & (others | 0o7000):
        raise MasterKeyRefused(
            f"{path} has mode {mode:04o}",
            why="others on this machine could read the key that opens all others",
            do=f"chmod 0400 {path}",
        )
    if status.st_uid not in {os.geteuid(), 0}:
        raise MasterKeyRefused(
            f"{path} belongs to user {status.st_uid}",
            why="its owner can change it at any time",
            do=f"give it to the user that runs Mailseal: chown {os.geteuid()} {path}",
        )


def _output_of(words: list[str], patience: float) -> bytes:
    """What a command prints; raises MasterKeyRefused where that is too much, too late, or no success."""
    try:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise _command_failed(words[0], f"it cannot be started: {error.strerror}") from None
    ends = time.monotonic() + patience
    with child:
        try:
            text = _read_until(child, ends)
            code = child.wait(max(0.0, ends - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise _command_failed(words[0], f"it had not ended after {patience:g} s") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    if len(text) > _LONGEST:
        raise _command_failed(words[0], f"it printed more than {_LONGEST} octets")
    if code != 0:
        raise _command_failed(words[0], f"it ended with code {code}")
    return text


def _read_until(child: subprocess.Popen[bytes], ends: float) -> bytes:
    """What the child prints until it closes its output; a child that prints too much is killed."""
    text = b""
    assert child.stdout is not None
    while len(text) <= _LONGEST:
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            raise TimeoutError
        octets = os.read(child.stdout.fileno(), _LONGEST + 1)
        if not octets:
            return text
        text += octets
    os.killpg(child.pid, signal.SIGKILL)
    return text


def _command_failed(program: str, why: str) -> MasterKeyRefused:
    return MasterKeyRefused(
        f"{program} gave no master key",
        why=why,
        do=f"run it as the user that runs Mailseal: it has to print 44 characters of base64: {program}",
    )
