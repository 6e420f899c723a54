"""Signing 2 kB by milter: eight connections of an MTA over a unix socket, beside OpenDKIM.

The same letters, in turn, after a round that does not count. `milter.2kB` is as shipped, with batches where
the processor and the extra allow them; `.one-by-one` without them, where the aim is 2.4 × OpenDKIM; `.tcp`
over TCP. A core's rate is of the milter's own CPU time. `milter.postfix.2kB` is mail through Postfix to its
next hop, signed on the way, beside the same Postfix with no milter (the aim: 0.6 of it) and with OpenDKIM;
the time of all processes counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from _child import cpu_s
from _mta import Mta
from _submit import CONNECTIONS, MAIL, running_sink
from _submit import Target as Port
from _submit import measured as handed_in
from _wire import Round, folder, report
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from mailseal.sandbox.settings import free_ports  # noqa: E402
from tests.faults.server import KEY, Server, prove  # noqa: E402
from tests.peers.postfix import UNHURRIED, postfix_in  # noqa: E402

ROUNDS, LETTERS, MAILS = 5, 4000, 1600
OPENDKIM = """
Mode s
Canonicalization relaxed/simple
Domain example.com
Selector bench
KeyFile {folder}/key.pem
Socket local:{folder}/milter.sock
OversignHeaders From
SignatureAlgorithm rsa-sha256
RequireSafeKeys no
UMask 000
Syslog no
UserID root
"""


@dataclass(frozen=True)
class Target:
    """A milter's process, and where it listens."""

    pid: int
    where: str | tuple[str, int]


def main() -> int:
    """Rounds in turn."""
    rounds, letters, mails = (1, 400, 240) if "--quick" in sys.argv else (ROUNDS, LETTERS, MAILS)
    with ExitStack() as open_now:
        targets = dict(zip(("ours", "tcp"), open_now.enter_context(mailseal()), strict=True))
        targets["one-by-one"], _ = open_now.enter_context(mailseal(batch=False))
        if shutil.which("opendkim"):
            targets["opendkim"] = open_now.enter_context(opendkim())
        else:
            print("# without opendkim: apt-get install opendkim", flush=True)
        results: dict[str, list[Round]] = {name: [] for name in targets}
        for target in targets.values():
            measured(target, letters // 4)
        for _ in range(rounds):
            for name, target in targets.items():
                results[name].append(measured(target, letters))
        ours, tcp, single = (results.pop(name) for name in ("ours", "tcp", "one-by-one"))
        report("milter.2kB", ours, results | {"one-by-one": single})
        report("milter.2kB.one-by-one", single, results)
        report("milter.2kB.tcp", tcp, {"unix": ours})
        if shutil.which("postfix") and os.geteuid() == 0:
            unix = {name: one for name, one in targets.items() if name in ("ours", "opendkim")}
            through_postfix(unix, rounds, mails)
        else:
            print("# without Postfix, or not root: milter.postfix.2kB is left out", flush=True)
    return 0


def through_postfix(milters: dict[str, Target], rounds: int, mails: int) -> None:
    """Rounds of mail through one Postfix, on a port for each milter and one for none."""
    ports = dict(zip(("no-milter", *milters), free_ports(1 + len(milters)), strict=True))
    options = {name: f" -o smtpd_milters=unix:{one.where}" for name, one in milters.items()}
    listeners = tuple(f"{port}{options.get(name, '')}" for name, port in ports.items())
    results: dict[str, list[Round]] = {name: [] for name in ports}
    with ExitStack() as open_now:
        place, sink = Path(open_now.enter_context(folder())), open_now.enter_context(running_sink())
        process = open_now.enter_context(postfix_in(place, listeners, sink.port, more=UNHURRIED))
        for turn in range(rounds + 1):
            for name, port in ports.items():
                milter = (milters[name].pid,) if name in milters else ()
                taken = handed_in(Port(port, (process.pid, *milter)), sink, mails)
                results[name] += [taken] if turn else []
    report("milter.postfix.2kB", results.pop("ours"), results)


def measured(target: Target, letters: int) -> Round:
    """One round of letters over all connections."""
    latencies: list[float] = []
    cpu, began = cpu_s(target.pid), time.perf_counter()
    uvloop.run(_load(target, letters // CONNECTIONS, latencies))
    wall = time.perf_counter() - began
    return Round(letters // CONNECTIONS * CONNECTIONS, wall, cpu_s(target.pid) - cpu, latencies)


async def _load(target: Target, each: int, latencies: list[float]) -> None:
    loop, where = asyncio.get_running_loop(), target.where
    mtas = [Mta(MAIL, each, latencies) for _ in range(CONNECTIONS)]
    for mta in mtas:
        if isinstance(where, str):
            await loop.create_unix_connection(lambda mta=mta: mta, where)  # type: ignore[misc]
        else:
            await loop.create_connection(lambda mta=mta: mta, *where)  # type: ignore[misc]
    async with asyncio.timeout(120):
        await asyncio.gather(*(mta.done for mta in mtas))


@contextmanager
def mailseal(*, batch: bool = True) -> Iterator[tuple[Target, Target]]:
    """`mailseal serve` with a proven identity: its milter on a unix socket, and on TCP."""
    with folder() as name:
        Path(name).chmod(0o711)
        (port,), path = free_ports(1), f"{name}/milter.sock"
        config = Path(name, "mailseal.toml")
        server = Server(Path(name), environment=dict(os.environ))
        asyncio.run(prove(server))
        config.write_text(
            f"{config.read_text()}\n[signing]\nbatch = {str(batch).lower()}\n"
            f'[milter]\nsocket_group = "{_group()}"\naccount = "{KEY.account_id}"\n'
            f'listen = ["unix:{path}", "127.0.0.1:{port}"]\n'
        )
        server.start()
        assert server.process is not None
        try:
            pid = server.process.pid
            yield Target(pid, path), Target(pid, ("127.0.0.1", port))
        finally:
            server.stop()


def _group() -> str:
    """The group that Postfix's own processes are in, where there are any."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam("postfix").gr_name
    return ""


@contextmanager
def opendkim() -> Iterator[Target]:
    """OpenDKIM that signs with a key of the same length, over a unix socket."""
    with folder() as name:
        Path(name).chmod(0o711)
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        Path(name, "key.pem").write_bytes(pem)
        Path(name, "opendkim.conf").write_text(OPENDKIM.format(folder=name))
        command = ["opendkim", "-f", "-x", f"{name}/opendkim.conf"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            yield Target(process.pid, _once_open(f"{name}/milter.sock", process))
        finally:
            process.terminate()
            process.wait(60)


def _once_open(path: str, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            return path
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("OpenDKIM does not answer")


if __name__ == "__main__":
    sys.exit(main())
