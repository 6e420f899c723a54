"""What processes of one machine share: ports by the kernel, unix sockets by inheritance.

Rule: every process binds its own TCP and UDP sockets to the same addresses and the kernel spreads clients
over them; a unix socket, which cannot be bound twice, is opened by the parent, and the parent unlinks it.
References: socket(7) SO_REUSEPORT; unix(7).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Sharing:
    """How one of several processes listens; the default is a process that is alone."""

    number: int = 0
    """Which of the processes this is, from 0."""
    among: int = 1
    unix: Mapping[str, socket.socket] = field(default_factory=lambda: MappingProxyType({}))
    """Unix sockets that listen already, by their paths."""

    @property
    def reuse_port(self) -> bool:
        """Whether others are to bind the same addresses."""
        return self.among > 1

    def inherited(self, path: object) -> socket.socket | None:
        """This process's own handle of a socket that the parent has opened at that path."""
        opened = self.unix.get(str(path))
        return None if opened is None else opened.dup()


ALONE = Sharing()
