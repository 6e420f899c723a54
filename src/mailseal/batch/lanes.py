"""Up to eight RSA signatures of different keys by one run of the processor's vector unit.

Rule: a signature leaves this module only after the public operation has given its encoded digest back; a lane
that fails is told as None.
References: RFC 8017 §8.2.1, RFC 8017 §9.2; docs/decisions/0018-batches.md.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_char_p, c_void_p

from mailseal.dkim.keys import CrtNumbers

LANES = 8
_SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

_Octets = c_char_p * LANES
_Places = c_void_p * LANES


class Lanes:
    """Eight lanes for keys of one length; not for two threads at once."""

    def __init__(self, library: ctypes.CDLL, bits: int) -> None:
        size = bits // 8
        self._private = library.mbx_rsa_private_crt_mb8
        self._public = library.mbx_rsa_public_mb8
        self._bits = bits
        head = b"\0\1" + b"\xff" * (size - 3 - len(_SHA256_DIGEST_INFO) - 32) + b"\0"
        self._head = head + _SHA256_DIGEST_INFO
        self._made = [ctypes.create_string_buffer(size) for _ in range(LANES)]
        self._back = [ctypes.create_string_buffer(size) for _ in range(LANES)]
        self._made_at = [ctypes.addressof(one) for one in self._made]
        self._back_at = [ctypes.addressof(one) for one in self._back]

    def sign(self, jobs: Sequence[tuple[CrtNumbers, bytes]]) -> list[bytes | None]:
        """The signatures of SHA-256 digests, each by its own key; None where a lane did not give one."""
        count, keys = len(jobs), [key for key, _ in jobs]
        encoded = [self._head + digest for _, digest in jobs]
        made, back = _Places(*self._made_at[:count]), _Places(*self._back_at[:count])
        signed = self._private(
            _Octets(*encoded),
            made,
            _Octets(*[key.p for key in keys]),
            _Octets(*[key.q for key in keys]),
            _Octets(*[key.exponent_p for key in keys]),
            _Octets(*[key.exponent_q for key in keys]),
            _Octets(*[key.coefficient for key in keys]),
            self._bits,
            None,
            None,
        )
        checked = self._public(made, back, _Octets(*[key.modulus for key in keys]), self._bits, None, None)
        bad = signed | checked  # four bits a lane
        return [
            made_here.raw if not bad >> 4 * lane & 15 and back_here.raw == wanted else None
            for lane, (made_here, back_here, wanted) in enumerate(
                zip(self._made[:count], self._back[:count], encoded, strict=True)
            )
        ]
