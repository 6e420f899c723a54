"""`mailseal doctor` against a whole Mailseal on loopback, its zone delegated or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailseal.cli.asking import LocalWay, ask
from mailseal.cli.doctor import examined
from mailseal.cli.zone import standing
from mailseal.config import Config
from mailseal.sandbox.settings import free_ports
from tests.journeys.rig import ZONE, Rig


class DoctorsRig(Rig):
    """A rig whose own zone's servers are asked on our own name server's port."""

    hidden = False
    secondary = ""

    @property
    def config(self) -> Config:
        config = super().config
        # With another port of nobody's, the zone's servers do not answer.
        port = self.ports.api if self.hidden else self.ports.our_dns
        dns_part = replace(config.dns, secondaries=(self.secondary,) if self.secondary else ())
        return replace(config, dns=dns_part, resolver=replace(config.resolver, port=port))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DoctorsRig]:
    rig = DoctorsRig(tmp_path)
    try:
        yield rig
    finally:
        rig.close()


def doctor(rig: Rig) -> dict[str, Any]:
    """What the doctor says, asked over the control socket, or of the database where no server runs."""
    told: dict[str, Any] = ask(LocalWay(rig.config), "POST", "doctor")
    return told


def results(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["result"] for one in told["checks"]}


def test_a_sound_installation_has_no_fault(rig: DoctorsRig) -> None:
    rig.start()
    told = doctor(rig)
    found = results(told)
    # The kernel's clock is not ours to judge, nor when the stock is full, nor the canary's first return.
    kept = {name: result for name, result in found.items() if name not in ("clock", "key stock", "checks")}
    assert kept == {
        "configuration": "ok",
        "master key": "ok",
        "database": "ok",
        "port 53": "warning",
        "delegation": "ok",
        "name servers": "ok",
        "secondaries": "not_asked",
        "from outside": "ok",
        "resolvers": "warning",
        "port 53 out": "not_asked",
        "next hop": "ok",
        "signer": "ok",
    }
    assert told["faults"] == 0
    shown = "\n".join(line.plain for line in examined(told).lines)
    assert "✓ from outside" in shown
    assert "a random name below our zone was asked for, and arrived here" in shown


def test_a_zone_whose_servers_do_not_answer_is_a_fault_and_says_which(rig: DoctorsRig) -> None:
    rig.hidden = True
    rig.start()
    told = doctor(rig)
    assert results(told)["name servers"] == "fault"
    [servers] = [one for one in told["checks"] if one["name"] == "name servers"]
    assert f"ns1.{ZONE} 127.0.0.1" in servers["seen"]
    assert servers["advice"]
    assert told["faults"] == 1


def test_a_name_server_that_nobody_reaches_is_a_fault(rig: DoctorsRig) -> None:
    rig.start()
    rig.zones.set_outage(ZONE, "silence")  # type: ignore[arg-type]
    told = doctor(rig)
    found = results(told)
    assert found["from outside"] == "fault"
    assert found["delegation"] == "not_asked"
    assert found["port 53"] == "warning"


def test_without_a_server_the_rest_is_still_looked_at(rig: DoctorsRig) -> None:
    rig.start()
    rig.stop()
    found = results(doctor(rig))
    assert found["port 53"] == "not_asked"
    assert found["from outside"] == "not_asked"
    assert found["master key"] == "ok"
    assert found["next hop"] == "ok"


def test_a_master_key_beside_the_data_is_told(rig: DoctorsRig) -> None:
    from mailseal.app.surroundings import master_key_risk

    rig.start()
    key = rig.folder / "master.key"
    assert master_key_risk(f"file:{key}", rig.folder / "data") == ""
    assert "beside the database" in master_key_risk(f"file:{key}", rig.folder)
    key.chmod(0o640)
    assert "0640" in master_key_risk(f"file:{key}", rig.folder / "data")
    assert master_key_risk("env:KEY", rig.folder) == ""


def test_a_secondary_that_nobody_started_is_a_fault_and_a_no_of_zone_status(
    rig: DoctorsRig,
) -> None:
    [nobody] = free_ports(1)
    rig.secondary = f"127.0.0.1:{nobody}"
    rig.start()
    [told] = [one for one in doctor(rig)["checks"] if one["name"] == "secondaries"]
    assert told["result"] == "fault"
    assert told["seen"] == f"{rig.secondary}: does not answer for this zone, and never has"
    members = ask(LocalWay(rig.config), "GET", "zones")
    shown = "\n".join(line.plain for line in standing(members["items"], "").lines)
    assert f"✗ {rig.secondary}  does not answer for this zone, and never has" in shown
