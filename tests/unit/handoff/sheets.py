"""Records of every kind that an owner may have to publish: at the apex and below, short and long."""

from __future__ import annotations

from mailseal.handoff.records import Record, Sheet

TOKENS = (
    "vxeuesu6egemtz7qnhl2ah7jnslj3rki",
    "r4ufc5sktin6k7ygnmkoddd46bjkjf6d",
    "7qiryac7pknmeqf67jpumfwg3esjiscf",
)
EASY = Sheet(
    "fernhill.example",
    "fernhill.example",
    tuple(
        Record(f"{token}._domainkey.fernhill.example", "CNAME", f"{token}.dkim.mx.example.net", 1800)
        for token in TOKENS
    ),
)
LONG_KEY = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12
OWN_KEY = Sheet(
    "mail.fernhill.example",
    "fernhill.example",
    (
        Record("s1._domainkey.mail.fernhill.example", "TXT", LONG_KEY, 1800),
        Record("bounce.mail.fernhill.example", "MX", "10 feedback-smtp.mx.example.net", 1800),
        Record("bounce.mail.fernhill.example", "TXT", "v=spf1 include:spf.mx.example.net ~all", 1800),
    ),
)
# A MAIL FROM domain can be the apex of a zone of its own.
APEX = Sheet(
    "fernhill.example",
    "bounce.fernhill.example",
    (
        Record("bounce.fernhill.example", "MX", "10 feedback-smtp.mx.example.net", 1800),
        Record("bounce.fernhill.example", "TXT", 'quotes " and \\ and ${x} and %{y}', 1800),
    ),
)
SHEETS = (EASY, OWN_KEY, APEX)
