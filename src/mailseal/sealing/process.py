"""What keeps a process that holds keys from showing its memory: no core file, no debugger.

Rule: it never fails a start; what the system does not offer is left out.
References: prctl(2) PR_SET_DUMPABLE; getrlimit(2) RLIMIT_CORE.
"""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def close_memory() -> None:
    """From now on no core file is written of this process, and none but root reads its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
