"""How the installation stands, as the doctor finds it when the page is opened.

Rule: what could not be asked is grey, and each fault has the one thing to do beside it.
References: docs/operating.md.
"""

from __future__ import annotations

from starlette.responses import Response

from mailseal.console.visit import Visit
from mailseal.console.words import Sign
from mailseal.core.doctor import Health, Result
from mailseal.service.doctor import examine

_SIGNS = {
    Result.OK: Sign("ok", "ok", "Well"),
    Result.WARNING: Sign("warn", "warn", "Warning"),
    Result.FAULT: Sign("bad", "bad", "Fault"),
    Result.NOT_ASKED: Sign("none", "none", "Not asked"),
}


async def show(visit: Visit) -> Response:
    """The page; examining takes some seconds where something is silent."""
    around = visit.world.surroundings
    found: tuple[Health, ...] = () if around is None else await examine(visit.world, around)
    faults = sum(one.result is Result.FAULT for one in found)
    warnings = sum(one.result is Result.WARNING for one in found)
    return await visit.page(
        "health.html",
        here="health",
        rows=[(one, _SIGNS[one.result]) for one in found],
        faults=faults,
        warnings=warnings,
    )
