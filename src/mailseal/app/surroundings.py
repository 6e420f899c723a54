"""What the doctor looks at, read from this machine: the kernel's clock, the disk, where the master key lies.

Rule: reads only; what cannot be read is said to be unknown.
References: adjtimex(2); docs/operating.md.
"""

from __future__ import annotations

import ctypes
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from mailseal.app.parts import addresses_of
from mailseal.config import Config, data_folder
from mailseal.core.doctor import ClockState, Signer
from mailseal.nameserver.zone import ServedText, ZoneSource
from mailseal.resolver.asking import DnsResolver
from mailseal.service.surroundings import Arrivals, Surroundings
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop

_STA_UNSYNC = 0x0040
_LONGS_AFTER_STATUS = 12


def make_surroundings(
    config: Config,
    resolver: DnsResolver,
    next_hop: SmtpNextHop | MaildirNextHop,
    signer: Callable[[], Signer],
) -> Surroundings:
    """The operator's side of an installation, as its configuration tells; raises SetupError."""
    folder = data_folder(config)
    return Surroundings(
        name_servers=tuple(name.lower().removesuffix(".") for name in config.dns.name_servers),
        addresses=addresses_of(config),
        asks_authorities=config.resolver.authorities,
        prober=resolver,
        read_clock=read_clock,
        free_bytes=lambda: shutil.disk_usage(folder).free,
        master_key_risk=lambda: master_key_risk(config.store.master_key, folder),
        next_hop=config.nexthop.url,
        next_hop_answers=next_hop.answers,
        signer=signer,
    )


class WatchedSource:
    """A zone's source that tells the doctor which names are asked for."""

    def __init__(self, source: ZoneSource, arrivals: Arrivals) -> None:
        self._source = source
        self._arrivals = arrivals

    def look_up(self, zone: str, owner: str) -> ServedText | None:
        """What the source says."""
        self._arrivals.note(owner)
        return self._source.look_up(zone, owner)

    def zone_serial(self, zone: str) -> int:
        """What the source says."""
        return self._source.zone_serial(zone)

    def generation(self) -> int:
        """What the source says."""
        return self._source.generation()


def master_key_risk(provider: str, folder: Path) -> str:
    """What is unsafe about a master key in a file; empty for the other providers."""
    kind, _, place = provider.partition(":")
    if kind != "file":
        return ""
    try:
        mode = stat.S_IMODE(Path(place).stat().st_mode)
    except OSError as fault:
        return f"the file is gone since the start: {fault.strerror}"
    if mode & 0o077:
        return f"mode {mode:04o} lets others of this machine read it"
    if Path(place).resolve().parent == folder.resolve():
        return "it lies beside the database, so that a copy of the folder is a copy of all keys"
    return ""


class _Timex(ctypes.Structure):
    """struct timex of Linux, for any size of `long`."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * _LONGS_AFTER_STATUS),
        ("room", ctypes.c_int * 32),
    )


def read_clock() -> ClockState:
    """Whether the kernel takes its clock for synchronised, and its estimate of the error."""
    told = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    except (OSError, AttributeError):
        return ClockState(None)
    if state < 0:
        return ClockState(None)
    return ClockState(not told.status & _STA_UNSYNC, told.esterror / 1e6)
