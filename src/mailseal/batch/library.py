"""Intel's crypto_mb, found where `pip install "mailseal[batch]"` puts it, and loaded.

Rule: whatever is missing, be it the package, the processor's instructions or a symbol, is told as `Unfit`,
and signing goes on without it.
References: docs/decisions/0018-batches.md.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "ipp-crypto"
FILE = "libcrypto_mb.so"

_NAMED_ONLY = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so")
"""Run-time libraries that crypto_mb names and takes no symbol from; under another licence, in 130 MB."""


class Unfit(Exception):
    """Signatures can't be made in batches here; the text says why."""


class NotInstalled(Unfit):
    """The package is not there, as it need not be."""


def load_library(package: str = PACKAGE, *, machine: str | None = None) -> ctypes.CDLL:
    """The loaded library, on a processor that it can use; raises Unfit."""
    machine = machine or platform.machine()
    if sys.platform != "linux" or machine != "x86_64":
        raise Unfit(f"not on {sys.platform} and {machine}")
    path = _path_of_library(package)
    try:
        library = _opened(path)
        library.mbx_get_cpu_features.restype = ctypes.c_uint64
        features = library.mbx_get_cpu_features()
        fits = library.mbx_is_crypto_mb_applicable(ctypes.c_uint64(features))
        for name in ("mbx_rsa_private_crt_mb8", "mbx_rsa_public_mb8"):
            getattr(library, name).restype = ctypes.c_uint32
    except (OSError, AttributeError) as fault:
        raise Unfit(f"{package} does not load: {fault}") from None
    if not fits:
        raise Unfit("the processor has neither AVX-512 IFMA nor AVX-IFMA")
    return library


def _path_of_library(package: str) -> Path:
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError:
        raise NotInstalled(f'{package} is not installed: pip install "mailseal[batch]"') from None
    for one in files:
        if one.name == FILE:
            return Path(str(one.locate()))
    raise Unfit(f"{package} has no {FILE}")


def _opened(path: Path) -> ctypes.CDLL:
    """The library with every symbol bound at once: one that is missing is found now and not while signing."""
    try:
        return ctypes.CDLL(str(path), mode=os.RTLD_NOW)
    except OSError:
        pass  # the four libraries are not here, as a rule
    with ExitStack() as held:  # a descriptor that is used twice is one file for the loader
        for name in _NAMED_ONLY:
            descriptor = os.memfd_create(name)
            held.callback(os.close, descriptor)
            os.write(descriptor, empty_library(name))
            ctypes.CDLL(f"/proc/self/fd/{descriptor}", mode=os.RTLD_NOW)
    return ctypes.CDLL(str(path), mode=os.RTLD_NOW)


def empty_library(name: str) -> bytes:
    """An ELF library for x86_64 that bears this name and defines nothing."""
    strings = b"\0" + name.encode() + b"\0"
    symbols = 64 + 3 * 56
    texts = symbols + 24
    hashes = texts + len(strings) + -(texts + len(strings)) % 8
    dynamic = hashes + 16
    end = dynamic + 7 * 16
    entries = ((14, 1), (4, hashes), (5, texts), (6, symbols), (10, len(strings)), (11, 24), (0, 0))
    parts = [
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
        struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0),
        struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, end, end, 4096),
        struct.pack("<IIQQQQQQ", 2, 6, dynamic, dynamic, dynamic, end - dynamic, end - dynamic, 8),
        struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16),  # the stack is not executable
        bytes(24),
        strings.ljust(hashes - texts, b"\0"),
        struct.pack("<IIII", 1, 1, 0, 0),
        *[struct.pack("<qQ", *entry) for entry in entries],
    ]
    return b"".join(parts)
