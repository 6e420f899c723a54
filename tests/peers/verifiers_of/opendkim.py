"""OpenDKIM's library, answering line by line; its numbers are those of dkim.h."""

import base64
import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p

OK, FOUND, NOT_FOUND = 0, 0, 3
PASSED, BODY_HASH_MATCHES = 0x04, 0
KEY_LOOK_UP = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_size_t)

keys: dict[str, str] = {}
library = ctypes.CDLL("libopendkim.so.11")
for function, result, arguments in (
    ("dkim_init", c_void_p, [c_void_p, c_void_p]),
    ("dkim_verify", c_void_p, [c_void_p, c_char_p, c_void_p, POINTER(c_int)]),
    ("dkim_chunk", c_int, [c_void_p, c_char_p, c_size_t]),
    ("dkim_eom", c_int, [c_void_p, c_void_p]),
    ("dkim_free", c_int, [c_void_p]),
    ("dkim_getsiglist", c_int, [c_void_p, POINTER(POINTER(c_void_p)), POINTER(c_int)]),
    ("dkim_set_key_lookup", c_int, [c_void_p, KEY_LOOK_UP]),
    ("dkim_sig_getdomain", c_char_p, [c_void_p]),
    ("dkim_sig_getselector", c_char_p, [c_void_p]),
    ("dkim_sig_getflags", c_uint, [c_void_p]),
    ("dkim_sig_getbh", c_int, [c_void_p]),
    ("dkim_sig_geterror", c_int, [c_void_p]),
    ("dkim_sig_geterrorstr", c_char_p, [c_int]),
    ("dkim_getresultstr", c_char_p, [c_int]),
):
    getattr(library, function).restype = result
    getattr(library, function).argtypes = arguments


@KEY_LOOK_UP
def look_up(_handle: int, signature: int, buffer: int, size: int) -> int:
    selector = library.dkim_sig_getselector(signature).decode()
    text = keys.get(f"{selector}._domainkey.{library.dkim_sig_getdomain(signature).decode()}".lower())
    if text is None or len(text) >= size:
        return NOT_FOUND
    octets = text.encode("latin-1", "replace") + b"\0"
    ctypes.memmove(buffer, octets, len(octets))
    return FOUND


def word(signature: int) -> str:
    passed = library.dkim_sig_getflags(signature) & PASSED
    if passed and library.dkim_sig_getbh(signature) == BODY_HASH_MATCHES:
        return "pass"
    reason = library.dkim_sig_geterrorstr(library.dkim_sig_geterror(signature))
    return f"fail: {(reason or b'').decode()}"


def results(message: bytes) -> list[str]:
    status, count = c_int(), c_int()
    signatures = POINTER(c_void_p)()
    handle = library.dkim_verify(instance, b"test", None, byref(status))
    try:
        for piece in (message, None):
            status = library.dkim_chunk(handle, piece, len(piece or b""))
            if status != OK:
                return [f"refused: {library.dkim_getresultstr(status).decode()}"]
        library.dkim_eom(handle, None)
        library.dkim_getsiglist(handle, byref(signatures), byref(count))
        return [word(signatures[number]) for number in range(count.value)]
    finally:
        library.dkim_free(handle)


instance = library.dkim_init(None, None)
library.dkim_set_key_lookup(instance, look_up)
for line in sys.stdin.buffer:
    request = json.loads(line)
    keys = request["keys"]
    print(json.dumps({"results": results(base64.b64decode(request["message"]))}), flush=True)
