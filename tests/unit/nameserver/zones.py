"""A zone that is data: what the tests of the name server answer from."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailseal.nameserver.zone import Zone, ZoneSettings

APEX = "dkim.mx.example.net"
LONG_KEY = b"p=" + b"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 12 + b"MIIBIjAN"
SETTINGS = ZoneSettings(
    apex=APEX,
    name_servers=(f"ns1.{APEX}", f"a.ns2.{APEX}", "ns3.elsewhere.example"),
    addresses={
        f"ns1.{APEX}": ("192.0.2.1", "2001:db8::1"),
        f"a.ns2.{APEX}": ("192.0.2.2",),
        "ns3.elsewhere.example": ("192.0.2.3",),
    },
)


@dataclass(frozen=True, slots=True)
class Text:
    text: bytes | None
    ttl: int


@dataclass
class WrittenSource:
    """Served records as a dictionary, and every name that was looked up."""

    texts: dict[str, Text] = field(default_factory=dict)
    serial: int = 7
    changes: int = 0
    looked_up: list[tuple[str, str]] = field(default_factory=list)

    def look_up(self, zone: str, owner: str) -> Text | None:
        self.looked_up.append((zone, owner))
        return self.texts.get(owner)

    def zone_serial(self, zone: str) -> int:
        assert zone == APEX
        return self.serial

    def generation(self) -> int:
        return self.changes

    def put(self, label: str, text: bytes, ttl: int = 1800) -> None:
        self.texts[f"{label}.{APEX}"] = Text(text, ttl)
        self.serial += 1
        self.changes += 1


def written_zone() -> tuple[Zone, WrittenSource]:
    """A zone with one key, one blank slot and one text too long for a datagram."""
    source = WrittenSource()
    source.put("tokenwithkey", LONG_KEY)
    source.put("blank", b"", 60)
    source.put("huge", b"x" * 2000)
    return Zone(SETTINGS, source), source
