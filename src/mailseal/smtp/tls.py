"""TLS of mail: what is asked of a server's certificate, and what we show as a server.

Rule: a certificate is verified against the name that was written, unless the operator says otherwise.
References: RFC 8314 §3.3, RFC 7817 §3, RFC 8996 §4.
"""

from __future__ import annotations

import ssl


def client_tls(*, verify: bool = True, ca_file: str = "") -> ssl.SSLContext:
    """What is asked of a server; raises OSError for a file of authorities that cannot be read."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def server_tls(certificate: str, certificate_key: str) -> ssl.SSLContext:
    """What clients are shown; raises OSError for files that cannot be read or do not belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, certificate_key or None)
    return context
