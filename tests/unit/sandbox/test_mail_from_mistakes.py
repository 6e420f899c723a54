"""The records of a MAIL FROM domain, got wrong in a sandbox and named by a check that really asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mailseal.core.mailfrom import PutMailFrom
from mailseal.service import mailfrom
from tests.unit.sandbox.mistaken import DOMAIN, WHO, Domain, tell

BOUNCE = f"bounce.{DOMAIN}"


async def found(domain: Domain) -> dict[str, Any]:
    await mailfrom.check_now(domain.world, WHO, DOMAIN)
    kept = await domain.world.store.read(lambda tx: tx.mail_from.report(WHO.account_id, WHO.region, DOMAIN))
    assert kept is not None
    members: dict[str, Any] = json.loads(kept)
    return members


def test_each_of_both_records_has_its_own_diagnosis(tmp_path: Path) -> None:
    async def story(domain: Domain) -> None:
        await domain.create()
        world, zones = domain.world, domain.customers.zones
        await mailfrom.put_mail_from(world, WHO, PutMailFrom(DOMAIN, BOUNCE), world.clock.now())
        told = await found(domain)
        assert [one["diagnosis"] for one in told["records"]] == ["RECORD_MISSING"] * 2
        mx, spf = (one["value"] for one in told["records"])
        zones.set_record(BOUNCE, "MX", (f"{mx}.{DOMAIN}.",))
        zones.set_record(f"{BOUNCE}.{DOMAIN}", "TXT", (spf,))
        told = await found(domain)
        assert [one["diagnosis"] for one in told["records"]] == ["TARGET_SUFFIXED", "DOUBLED_DOMAIN"]
        assert {(one["code"], one["type"]) for one in told["diagnoses"]} >= {
            ("TARGET_SUFFIXED", "MX"),
            ("DOUBLED_DOMAIN", "TXT"),
        }
        zones.set_record(BOUNCE, "MX", (f"{mx}.",))
        zones.set_record(BOUNCE, "TXT", (spf,))
        told = await found(domain)
        assert [one["finding"] for one in told["records"]] == ["MATCH", "MATCH"]
        assert told["diagnoses"] == []

    tell(tmp_path, story)
