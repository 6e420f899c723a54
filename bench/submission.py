"""Mail submission, 2 kB: signed in, signed, at the next hop, beside Postfix that only relays.

Eight connections that stay open hand over mail, MAIL, RCPT and DATA in one go; the next hop takes everything.
A round ends when the next hop has every message. `submission.2kB` is AUTH in clear, `.tls` the same inside
TLS. Postfix (null relay, neither AUTH nor TLS nor signature) has its queue on the same disk. The aim: as many
a core as Postfix relays.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _submit import Target, measured, running_sink
from _wire import Round, folder, report

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from mailseal.core.smtpaccess import smtp_password  # noqa: E402
from mailseal.sandbox.settings import free_ports  # noqa: E402
from tests.faults.server import KEY, REGION, Server, prove  # noqa: E402
from tests.journeys.submitting import write_certificate  # noqa: E402
from tests.peers.postfix import UNHURRIED, postfix_in  # noqa: E402

ROUNDS, MAILS = 5, 2400


def main() -> int:
    """Rounds in turn."""
    rounds, mails = (1, 240) if "--quick" in sys.argv else (ROUNDS, MAILS)
    with ExitStack() as open_now:
        sink = open_now.enter_context(running_sink())
        clear, tls = open_now.enter_context(mailseal(sink.port))
        targets = {"ours": clear, "tls": tls}
        if shutil.which("postfix") and os.geteuid() == 0:
            targets["postfix-relay"] = open_now.enter_context(postfix(sink.port))
        else:
            print("submission: no Postfix here, or not root: its figure is left out", file=sys.stderr)
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for target in targets.values():
            measured(target, sink, mails // 4)
        for _ in range(rounds):
            for name, target in targets.items():
                results[name].append(measured(target, sink, mails))
    inside = results.pop("tls")
    report("submission.2kB", results.pop("ours"), results)
    report("submission.2kB.tls", inside, results)
    return 0


@contextmanager
def mailseal(sink: int) -> Iterator[tuple[Target, Target]]:
    """`mailseal serve` with a proven identity: its ports for mail in clear and inside TLS."""
    with folder() as name:
        place, (port, tls_port) = Path(name), free_ports(2)
        certificate, key = write_certificate(place)
        settings = {
            "MAILSEAL_NEXTHOP_URL": f"smtp://127.0.0.1:{sink}",
            "MAILSEAL_SUBMISSION_LISTEN": f"127.0.0.1:{port}",
            "MAILSEAL_SUBMISSION_LISTEN_TLS": f"127.0.0.1:{tls_port}",
            "MAILSEAL_SUBMISSION_CERTIFICATE": str(certificate),
            "MAILSEAL_SUBMISSION_CERTIFICATE_KEY": str(key),
            "MAILSEAL_SUBMISSION_PLAINTEXT_ON_LOOPBACK": "true",
        }
        server = Server(place, environment=os.environ | settings)
        asyncio.run(prove(server))
        server.start()
        assert server.process is not None
        try:
            trusting = ssl.create_default_context(cafile=str(certificate))
            pid = server.process.pid
            login = (KEY.access_key_id, smtp_password(KEY.secret, REGION))
            yield Target(port, (pid,), login), Target(tls_port, (pid,), login, tls=trusting)
        finally:
            server.stop()


@contextmanager
def postfix(sink: int) -> Iterator[Target]:
    """A Postfix of our own that relays all it gets."""
    with folder() as name:
        (port,) = free_ports(1)
        with postfix_in(Path(name), (port,), sink, more=UNHURRIED) as process:
            yield Target(port, (process.pid,))


if __name__ == "__main__":
    sys.exit(main())
