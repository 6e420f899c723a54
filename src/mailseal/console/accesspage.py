"""Access keys, SMTP users and accounts: made, switched and deleted by whoever runs the installation.

Rule: a secret is on the page that answers the form which made it, and on no other one.
References: docs/decisions/0010-access.md.
"""

from __future__ import annotations

from starlette.responses import Response

from mailseal.console import times
from mailseal.console.visit import Visit, scoped
from mailseal.core.access import AccessKey, parse_label, parse_permissions
from mailseal.core.errors import BadRequest, NotFound, Refusal
from mailseal.core.smtpaccess import SMTP_ACTION, smtp_password
from mailseal.service import access
from mailseal.service.access import AccountReport


async def show(visit: Visit) -> Response:
    """The account's keys."""
    return await _page(visit)


async def create(visit: Visit) -> Response:
    """The keys, the new one's secret above them; shown once."""
    is_smtp = visit.said("for") == "smtp"
    try:
        names = tuple(visit.said("identities").replace(",", " ").split())
        actions = (SMTP_ACTION,) if is_smtp else ()
        key = AccessKey(
            access.new_access_key_id(),
            visit.who.account_id,
            access.new_secret(),
            permissions=parse_permissions(actions, names),
            label=parse_label(visit.said("label")),
        )
        await access.add_access_key(visit.world, key, visit.now)
    except Refusal as refused:
        return await _page(visit, refused=refused)
    secret = smtp_password(key.secret, visit.who.region) if is_smtp else key.secret
    return await _page(visit, made=(key.access_key_id, secret), is_smtp=is_smtp)


async def change(visit: Visit) -> Response:
    """Back to the keys, one of them switched or deleted."""
    key_id = str(visit.request.path_params["key"])
    keys = await access.list_access_keys(visit.world, visit.who.account_id)
    if all(key.access_key_id != key_id for key in keys):
        raise NotFound(f"Access key {key_id} does not exist in this account.")
    match visit.said("do"):
        case "enable" | "disable" as wish:
            await access.set_access_key_enabled(visit.world, key_id, wish == "enable")
        case "delete":
            await access.delete_access_key(visit.world, key_id)
        case _:
            raise BadRequest("Say what is to be done with it: enable, disable or delete.")
    return visit.go("access")


async def accounts(visit: Visit) -> Response:
    """Every account with what it holds in each region."""
    found = await access.list_accounts(visit.world)
    home = visit.world.regions[0]
    rows = [(one.account, one.access_keys, _held(one, home)) for one in found]
    return await visit.page("accounts.html", here="accounts", rows=rows, regions=visit.world.regions)


def _held(report: AccountReport, home: str) -> list[tuple[str, int, str]]:
    """The regions in which an account has something, the first region in any case; each with its URL."""
    account = report.account.account_id
    held = [(region, number) for region, number in report.identities.items() if number or region == home]
    return [(region, number, scoped(account, region, "identities")) for region, number in held]


async def _page(
    visit: Visit,
    *,
    made: tuple[str, str] | None = None,
    is_smtp: bool = False,
    refused: Refusal | None = None,
) -> Response:
    keys = await access.list_access_keys(visit.world, visit.who.account_id)
    rows = [
        (
            key,
            "" if key.created_at is None else times.day(key.created_at, visit.now),
            ", ".join(key.permissions.actions).replace("*", "everything"),
            ", ".join(key.permissions.identities).replace("*", "all identities"),
        )
        for key in keys
    ]
    return await visit.page(
        "access.html",
        here="access",
        status=200 if refused is None else 400,
        rows=rows,
        made=made,
        is_smtp=is_smtp,
        refused=refused,
        api_url=visit.world.links.public_url,
    )
