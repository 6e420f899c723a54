"""An Exim of our own for a test: unpacked, not installed; hands mail on as docs/mta.md shows."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailseal.sandbox.settings import free_ports
from tests.peers.dns_daemons import child
from tests.peers.nexthop import WITHIN, documented

PROGRAM = Path(__file__).parents[2] / ".dev/debian/exim4-daemon-light/usr/sbin/exim4"
# The user that Debian's Exim was built to run as, by a number that no other has here.
USER, NUMBER = "Debian-exim", 64321
# Exim finds its user in the machine's own list, so for it alone that list is another.
INSIDE = 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"'
CONFIGURATION = """
exim_path = {program}
primary_hostname = mx.test
qualify_domain = mx.test
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/spool/pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
acl_smtp_rcpt = accept
keep_environment =
host_lookup =
queue_run_in_order
begin routers
{routers}
begin transports
{transports}
begin authenticators
{authenticators}
who_hands_in:
  driver = plaintext
  public_name = PLAIN
  server_condition = true
  server_set_id = $auth2
"""


@dataclass(frozen=True)
class Exim:
    """A running Exim."""

    folder: Path
    port: int

    def log(self) -> str:
        """What it has logged."""
        return "".join(path.read_text() for path in (self.folder / "spool").glob("mainlog"))


@contextmanager
def running_exim(submission: int, login: str, password: str) -> Iterator[Exim]:
    """An Exim that hands on what its own users hand in, to a submission port of loopback, signed in there."""
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="ex"))
    try:
        _configure(folder, port, submission, f"^{login}^{password}")
        inside = ["unshare", "--mount", "sh", "-c", INSIDE, "sh", str(folder)]
        command = [*inside, str(PROGRAM), "-C", str(folder / "exim.conf"), "-bdf", "-q1h"]
        with child(command, folder / "words") as process:
            exim = Exim(folder, port)
            _wait_until_it_answers(exim, process)
            yield exim
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, port: int, submission: int, login: str) -> None:
    folder.chmod(0o755)
    (folder / "spool").mkdir()
    shutil.chown(folder / "spool", NUMBER, NUMBER)
    users = f"{USER}:x:{NUMBER}:{NUMBER}::/nonexistent:/usr/sbin/nologin\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + users)
    (folder / "group").write_text(f"{Path('/etc/group').read_text()}{USER}:x:{NUMBER}:\n")
    text = CONFIGURATION.format(
        folder=folder,
        port=port,
        program=PROGRAM,
        routers=documented("exim:routers").replace("127.0.0.1::587", f"127.0.0.1::{submission}"),
        transports=documented("exim:transports"),
        authenticators=documented("exim:authenticators").replace("^LOGIN^PASSWORD", login),
    )
    (folder / "exim.conf").write_text(text)


def _wait_until_it_answers(exim: Exim, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        assert process.poll() is None, (exim.folder / "words").read_text() + exim.log()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", exim.port), 5) as opened:
            if opened.recv(3) == b"220":
                return
        time.sleep(0.1)
    raise AssertionError(f"Exim did not start:\n{exim.log()}")
