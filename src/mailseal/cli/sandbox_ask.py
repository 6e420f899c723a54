"""`mailseal sandbox env|dns|clock|mailbox|reset|stop`: playing the customers' side of a sandbox that runs.

Rule: values go to stdout, whole and alone on their line; the sandbox is found by --endpoint, the environment,
or the word that it left in its data folder. Off a terminal: one tab between columns, no header.
References: docs/operating.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote, urlsplit

import click

from mailseal.cli.asking import CouldNotAsk, SignedWay, ask
from mailseal.cli.options import given, output, shared
from mailseal.cli.output import Screen, columns, tabbed, text
from mailseal.cli.questions import Question
from mailseal.config import SetupError
from mailseal.sandbox.settings import (
    ACCESS_KEY,
    ACCESS_KEY_ID,
    LOOPBACK,
    PORT_BASE,
    REGION,
    Ports,
    read_place,
)
from mailseal.sesv2.signing import Credentials

DATA = "mailseal.sandbox.data"
"""Where the group's --data stands in click's `Context.meta`."""
STOP_WITHIN_SECONDS = 15.0
FORMS = {"sh": "export {}={}", "github": "{}={}", "dotenv": "{}={}"}
NOTHING = "nothing to do"
OUTAGES = (
    *("servfail", "silence", "refused", "lame", "dead", "disagree"),
    *("stale", "bogus", "hollow", "gone", "moved", "split", "none"),
)
"""What `Outage` has, without its module: the name server's libraries take a while to load."""


def sandbox_way() -> SignedWay:
    """The way to the sandbox that is meant."""
    data: Path = click.get_current_context().meta[DATA]
    place = read_place(data / "sandbox.json")
    around = os.environ.get("AWS_ENDPOINT_URL_SESV2")
    fixed = f"http://{LOOPBACK}:{Ports.from_base(PORT_BASE).api}"
    named = given("endpoint") or os.environ.get("MAILSEAL_ENDPOINT")
    url = named or (place.api_url if place else None) or around or fixed
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    # Somebody's real key has no business here: only an account of this sandbox's own is taken over.
    if key.startswith("MSSANDBOX") and around == url:
        credentials = Credentials(key, os.environ.get("AWS_SECRET_ACCESS_KEY", ""), REGION)
    else:
        credentials = Credentials(ACCESS_KEY_ID, ACCESS_KEY, REGION)
    return SignedWay(url.rstrip("/"), credentials, is_sandbox=True)


def told(method: str, path: str, **more: Any) -> Any:
    """What the running sandbox answers; raises Refused, CouldNotAsk."""
    way = sandbox_way()
    try:
        return ask(way, method, f"sandbox/{path}", **more)
    except CouldNotAsk as silent:
        what = f"no sandbox answers on {urlsplit(way.url).netloc}"
        raise CouldNotAsk(what, silent.why, "start it: mailseal sandbox") from None


def show(first: str, rows: Sequence[Sequence[object]], following: str, members: object) -> None:
    """Prints an answer: its object with --json, else its rows, with a first line where a person reads it."""
    out = output()
    if out.as_json:
        out.object(members)
        return
    cells = [[text(str(cell)) for cell in row] for row in rows]
    head, foot = [text(f"sandbox  {first}"), text()], [text()] if cells else []
    lines = [*head, *columns(cells), *foot] if out.is_terminal else tabbed(cells)
    out.show(Screen(lines, following))


def counted(number: int, noun: str) -> str:
    """How many there are: `1 mail`, `3 mails`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


@click.command()
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="sh", help="Where it goes.")
@shared
def env(form: str) -> None:
    """Print the variables by which any AWS client finds the sandbox."""
    found = told("GET", "env")
    out = output()
    if out.as_json:
        out.object(found)
        return
    for name, value in found["environment"].items():
        out.line(FORMS[form].format(name, value))


@click.group()
def dns() -> None:
    """Play the customers' DNS: records, outages, and who asked for what."""


@dns.command("show")
@click.argument("domain", required=False)
@shared
def dns_show(domain: str | None) -> None:
    """Show the records of a domain, or all."""
    found = told("GET", "dns", query={"domain": domain or ""})
    rows = [[one["name"], one["ttl"], one["type"], one["value"]] for one in found["items"]]
    rows += [[name, "", "outage", kind] for name, kind in found["outages"].items()]
    first = f"{counted(len(found['items']), 'record')} of {domain or 'all customers'}"
    show(first, rows, "mailseal sandbox dns set NAME TYPE VALUE", found)


@dns.command("set")
@click.argument("name")
@click.argument("rtype", metavar="TYPE")
@click.argument("values", nargs=-1, required=True, metavar="VALUE…")
@click.option("--ttl", type=click.IntRange(0, 2**31 - 1), help="Seconds; 5 where none is named.")
@shared
def dns_set(name: str, rtype: str, values: tuple[str, ...], ttl: int | None) -> None:
    """Replace the records of one type at a name."""
    body = {"name": name, "type": rtype, "values": list(values), "ttl": ttl}
    found = told("PUT", "dns", body=body)
    rows = [[name, rtype.upper(), value] for value in values]
    show(f"{counted(len(values), 'record')} set", rows, f"mailseal sandbox dns show {name}", found)


@dns.command("delete")
@click.argument("name")
@click.argument("rtype", required=False, metavar="[TYPE]")
@shared
def dns_delete(name: str, rtype: str | None) -> None:
    """Remove the records at a name, of one type or all."""
    found = told("DELETE", "dns", query={"name": name, "type": rtype or ""})
    show("removed" if found["deleted"] else "there was nothing", [[name, rtype or "all"]], NOTHING, found)


@dns.command("publish")
@click.argument("domain")
@shared
def dns_publish(domain: str) -> None:
    """Publish what an identity asks for, as its owner would."""
    found = told("POST", "dns/publish", body={"domain": domain})
    rows = [[one["name"], one["type"], one["value"]] for one in found["items"]]
    first = f"{counted(len(rows), 'record')} published"
    show(first, rows, f"mailseal identity check {domain} --wait", found)


@dns.command("mistake")
@click.argument("domain")
@click.argument("mistake")
@shared
def dns_mistake(domain: str, mistake: str) -> None:
    """Publish what an identity asks for wrongly, in a way that has a name: DOUBLED_DOMAIN …"""
    found = told("POST", "dns/mistake", body={"domain": domain, "mistake": mistake})
    rows = [[one["name"], one["type"], one["value"]] for one in found["items"]]
    rows += [[name, "outage", kind] for name, kind in found["outages"].items()]
    show(found["mistake"], rows, f"mailseal identity check {domain}", found)


@dns.command("repair")
@click.argument("domain")
@shared
def dns_repair(domain: str) -> None:
    """Publish what an identity asks for in place of whatever stood at its domain."""
    found = told("POST", "dns/repair", body={"domain": domain})
    rows = [[one["name"], one["type"], one["value"]] for one in found["items"]]
    show("repaired", rows, f"mailseal identity check {domain} --wait", found)


@dns.command("queries")
@click.argument("domain", required=False)
@shared
def dns_queries(domain: str | None) -> None:
    """Show the latest questions that reached the customers' DNS."""
    found = told("GET", "dns/queries", query={"domain": domain or ""})
    rows = [[one["at"], one["type"], one["transport"], one["rcode"], one["name"]] for one in found["items"]]
    show(f"{counted(len(rows), 'question')} about {domain or 'all customers'}", rows, NOTHING, found)


@dns.command("outage")
@click.argument("domain")
@click.argument("kind", type=click.Choice(OUTAGES))
@shared
def dns_outage(domain: str, kind: str) -> None:
    """Make the servers of a domain fail, or work again."""
    found = told("POST", "dns/outage", body={"domain": domain, "outage": kind})
    show("outage", [[domain, kind]], f"mailseal identity check {domain}", found)


@click.group(invoke_without_command=True)
@shared
def clock() -> None:
    """Show the sandbox's clock; `advance` moves it forward."""
    if click.get_current_context().invoked_subcommand is None:
        found = told("GET", "clock")
        rows = [["now", found["now"]], ["real", found["real"]], ["speed", f"{found['speed']:g}"]]
        show(f"{found['ahead_seconds']:.0f} s ahead", rows, "mailseal sandbox clock advance 72h", found)


@clock.command("advance")
@click.argument("duration")
@shared
def clock_advance(duration: str) -> None:
    """Go forward by 90s, 10m, 72h or 8d; what would have happened meanwhile has happened then."""
    found = told("POST", "clock/advance", body={"by": duration})
    rows = [[one["identity"], f"{one['before']} → {one['after']}"] for one in found["changes"]]
    show(
        f"it is {found['arrived_at']}, {counted(found['steps'], 'step')}",
        rows,
        "mailseal identity list",
        found,
    )


@click.group(invoke_without_command=True)
@shared
def mailbox() -> None:
    """List the newest mails with the worth of their signatures; `show` prints one."""
    if click.get_current_context().invoked_subcommand is None:
        found = told("GET", "mailbox")
        rows = [[_worth(one), one["from"], one["to"], one["subject"], one["id"]] for one in found["items"]]
        show(counted(found["count"], "mail"), rows, "mailseal sandbox mailbox show", found)


def _worth(mail: dict[str, Any]) -> str:
    return ", ".join(f"{one['result']} {one['domain']}" for one in mail["dkim"]) or "unsigned"


@mailbox.command("show")
@click.argument("mail_id", required=False, metavar="[ID]")
@shared
def mailbox_show(mail_id: str | None) -> None:
    """Print one mail byte for byte, the newest where none is named."""
    out = output()
    if mail_id is None:
        items = told("GET", "mailbox", query={"dkim": "no"})["items"]
        if not items:
            out.aside("sandbox  there is no mail")
            raise SystemExit(1)
        mail_id = str(items[-1]["id"])
    path = f"mailbox/{quote(mail_id, safe='')}"
    found = told("GET", path)
    if out.as_json:
        out.object(found)
        return
    for one in found["dkim"]:
        out.aside(f"{one['result']}  {one['domain']}  s={one['selector']}  {one['reason']}")
    raw = sandbox_way().carry(Question("GET", f"sandbox/{path}/raw"))
    sys.stdout.buffer.write(raw.body)


@click.command()
@shared
def reset() -> None:
    """Remove all identities, records, outages and mail; the clock stays."""
    if not given("yes"):
        click.confirm("All identities, records and mail of this sandbox go. Go on?", abort=True)
    found = told("POST", "reset")
    rows = [["identities", found["identities"]], ["mails", found["mails"]]]
    show("empty again", rows, NOTHING, found)


@click.command()
@shared
def stop() -> None:
    """End a sandbox that was left behind; its data stays."""
    found = told("POST", "stop")
    deadline = monotonic() + STOP_WITHIN_SECONDS
    while _answers():
        if monotonic() > deadline:
            raise SetupError(f"process {found['pid']} does not end", do=f"kill {found['pid']}")
        sleep(0.05)
    show("stopped", [["data", found["data"]]], "mailseal sandbox", found)


def _answers() -> bool:
    try:
        told("GET", "clock")
    except CouldNotAsk:
        return False
    return True


QUESTIONS: tuple[click.Command, ...] = (env, dns, clock, mailbox, reset, stop)
