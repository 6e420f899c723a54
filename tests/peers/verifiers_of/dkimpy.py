"""dkimpy, answering line by line."""

import base64
import json
import sys

import dkim


def results(message: bytes, keys: dict[str, str]) -> list[str]:
    def key_of(name: bytes, timeout: int = 5) -> bytes | None:
        text = keys.get(name.decode().rstrip("."))
        return None if text is None else text.encode("latin-1", "replace")

    found = []
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(message)[0])
    for number in range(count):
        try:
            passed = dkim.DKIM(message).verify(idx=number, dnsfunc=key_of)
            found.append("pass" if passed else "fail")
        except (dkim.DKIMException, ValueError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


for line in sys.stdin.buffer:
    request = json.loads(line)
    print(json.dumps({"results": results(base64.b64decode(request["message"]), request["keys"])}), flush=True)
