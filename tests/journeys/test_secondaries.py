"""A server that carries our zone and falls behind, and a hosted zone whose name is changed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rrset
import pytest

from mailseal.cli.asking import LocalWay, ask
from mailseal.config import Config
from mailseal.core.access import Principal
from mailseal.sandbox.settings import free_ports
from mailseal.service.following import standings
from mailseal.service.rotate import rotate_identity
from tests.journeys.rig import ACCOUNT, REGION, ZONE, Rig, selector_of

WHO = Principal(ACCOUNT, REGION, "journey")
OTHER_ZONE = "keys.mx.example.net"
WITHIN_S = 30.0


class Secondary:
    """A server that gives the serial that the primary gives, until it is stopped short."""

    def __init__(self, primary: int) -> None:
        [self.port] = free_ports(1)
        self.primary = primary
        self.is_stuck = False
        self.notified = 0
        self._given: list[dns.rrset.RRset] = []
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(2048)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA
            if query.opcode() == dns.opcode.NOTIFY:
                self.notified += 1
            else:
                if not self.is_stuck:
                    again = dns.message.make_query(query.question[0].name, "TXT")
                    with contextlib.suppress(dns.exception.DNSException, OSError):
                        answer = dns.query.udp(again, "127.0.0.1", port=self.primary, timeout=1)
                        self._given = answer.answer
                response.answer = self._given
            self._socket.sendto(response.to_wire(), client)

    def close(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(20)
        self._socket.close()


@dataclass
class CarriedRig(Rig):
    """A rig whose configuration of the zone can be said."""

    secondaries: tuple[str, ...] = ()
    hosted_zone: str = ZONE

    @property
    def config(self) -> Config:
        usual = super().config
        dns_part = replace(usual.dns, secondaries=self.secondaries, hosted_zone=self.hosted_zone)
        return replace(usual, dns=dns_part)

    def until(self, true: Callable[[], bool]) -> None:
        """Returns as soon as it is true."""
        end = time.monotonic() + WITHIN_S
        while not true():
            assert time.monotonic() < end
            time.sleep(0.05)

    def wait_until_followed(self) -> None:
        self.settle()
        self.until(lambda: all(one.has_followed for one in self.call(lambda: standings(self.app.world))))

    def prove(self, domain: str) -> None:
        """Creates an identity, plays its owner, and waits for SUCCESS."""
        self.client().create_email_identity(EmailIdentity=domain)
        self.publish(domain)
        for _ in range(10):
            self.advance(seconds=60, steps=10)
            if self.dkim_status(domain) == "SUCCESS":
                return
        raise AssertionError(f"{domain} is not proven")

    def selector(self, domain: str) -> str:
        """The selector that a mail of the domain is signed with now."""
        self.client().send_email(
            FromEmailAddress=f"a@{domain}",
            Destination={"ToAddresses": ["b@receiver.example"]},
            Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
        )
        return selector_of(self.mails()[-1])


@contextlib.contextmanager
def carried(folder: Path) -> Iterator[tuple[CarriedRig, Secondary]]:
    rig = CarriedRig(folder)
    secondary = Secondary(rig.ports.our_dns)
    rig.secondaries = (f"127.0.0.1:{secondary.port}",)
    try:
        rig.start()
        yield rig, secondary
    finally:
        rig.close()
        secondary.close()


@pytest.mark.suite_dns
@pytest.mark.timeout(180)
def test_a_new_key_waits_for_a_server_that_has_fallen_behind(tmp_path: Path) -> None:
    with carried(tmp_path) as (rig, secondary):
        rig.client().create_email_identity(EmailIdentity="shop.example")
        rig.wait_until_followed()
        assert secondary.notified
        rig.publish("shop.example")
        rig.advance(seconds=120, steps=20)
        rig.wait_until_followed()
        rig.advance(seconds=60, steps=10)
        assert rig.dkim_status("shop.example") == "SUCCESS"
        first = rig.selector("shop.example")
        secondary.is_stuck = True
        rig.call(lambda: rotate_identity(rig.app.world, WHO, "shop.example", rig.clock.now()))
        rig.advance(hours=3, steps=60)
        assert rig.selector("shop.example") == first, "a resolver may still ask the server that is behind"
        name = f"127.0.0.1:{secondary.port}"
        slots = ask(LocalWay(rig.config), "GET", "identities/shop.example")["slots"]
        [waiting] = [slot for slot in slots if slot["state"] == "next"]
        assert (waiting["ready_at"], waiting["waits_for_servers"]) == (None, [name])
        told = ask(LocalWay(rig.config), "GET", "zones")["items"]
        [server] = next(each["servers"] for each in told if each["zone"] == ZONE)
        assert (server["server"], server["following"], server["answers"]) == (name, "behind", True)
        assert server["behind"] >= 1
        secondary.is_stuck = False
        rig.wait_until_followed()
        rig.advance(minutes=3, steps=30)
        assert rig.selector("shop.example") != first


@pytest.mark.suite_dns
@pytest.mark.timeout(180)
def test_a_server_taken_out_of_the_configuration_holds_up_no_key(tmp_path: Path) -> None:
    with carried(tmp_path) as (rig, secondary):
        secondary.is_stuck = True
        rig.client().create_email_identity(EmailIdentity="shop.example")
        rig.publish("shop.example")
        rig.advance(minutes=5, steps=50)
        rig.stop()
        rig.secondaries = ()
        rig.start()
        rig.advance(minutes=5, steps=50)
        assert rig.dkim_status("shop.example") == "SUCCESS"
        assert rig.selector("shop.example")


def test_a_zone_that_is_replaced_stays_with_the_domains_that_point_into_it(tmp_path: Path) -> None:
    rig = CarriedRig(tmp_path)
    try:
        rig.start()
        rig.prove("old.example")
        rig.stop()
        rig.hosted_zone = OTHER_ZONE
        rig.start()
        rig.client().create_email_identity(EmailIdentity="new.example")
        rig.settle()
        tell = rig.client().get_email_identity
        zones = {
            name: tell(EmailIdentity=name)["DkimAttributes"]["SigningHostedZone"]
            for name in ("old.example", "new.example")
        }
        assert zones == {"old.example": ZONE, "new.example": OTHER_ZONE}
        for name, zone in zones.items():
            tokens = tell(EmailIdentity=name)["DkimAttributes"]["Tokens"]
            texts = [served(rig, f"{token}.{zone}") for token in tokens]
            assert sum(bool(text) for text in texts) == 1
            assert sum(text == b"" for text in texts) == 2
            assert served(rig, f"_serial.{zone}")
        assert rig.selector("old.example")
    finally:
        rig.close()


def served(rig: Rig, name: str) -> bytes | None:
    """What our name server gives at a name."""
    query = dns.message.make_query(name, "TXT")
    answer = dns.query.udp(query, "127.0.0.1", port=rig.ports.our_dns, timeout=20).answer
    return b"".join(answer[0][0].strings) if answer else None
