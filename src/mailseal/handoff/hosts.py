"""The forms in which DNS hosts take a record: where they are, what their boxes are called, what goes in.

Rule: data, as of 2026; what a form does to names and values is in core/providers.py. A host that is not here
has the plain words of `ANOTHER`, with the habits that are known of it.
References: docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailseal.core.providers import PROVIDERS, Provider
from mailseal.handoff.records import Record, mail_host, quoted_strings, relative


@dataclass(frozen=True, slots=True)
class Host:
    """One host's form; `way` is its menu path, in which {domain} is the owner's zone, parts by ` › `."""

    key: str
    title: str
    way: str
    add: str
    name_box: str = "Name"
    value_box: str = "Value"
    type_word: str = "{type}"
    ttl: str = "30 minutes, or as it is"
    apex: str = "@"
    quotes_text: bool = False
    more: str = ""
    """What else has to be set, as a sentence."""

    @property
    def habits(self) -> Provider | None:
        """What its form does to names and values, where that is known."""
        return _KNOWN.get(self.title)


@dataclass(frozen=True, slots=True)
class Field:
    """A box of the form: what it is called and what goes in; a fixed one is chosen, not pasted."""

    label: str
    value: str
    is_fixed: bool = False


_KNOWN = {one.name: one for one in PROVIDERS}


ANOTHER = Host("other", "Another host", "the DNS records of {domain}", "Add record")
_ALL = (
    Host(
        "cloudflare",
        "Cloudflare",
        "{domain} › DNS › Records",
        "Add record",
        value_box="Target or content",
        ttl="Auto",
        more="Set Proxy status to DNS only.",
    ),
    Host(
        "route53",
        "Amazon Route 53",
        "Hosted zones › {domain}",
        "Create record",
        name_box="Record name",
        ttl="1800",
        apex="",
        quotes_text=True,
    ),
    Host("godaddy", "GoDaddy", "Domain Portfolio › {domain} › DNS", "Add New Record", ttl="1/2 Hour"),
    Host(
        "namecheap",
        "Namecheap",
        "Domain List › Manage beside {domain} › Advanced DNS",
        "Add New Record",
        name_box="Host",
        type_word="{type} Record",
        ttl="Automatic",
    ),
    Host(
        "ionos",
        "IONOS",
        "Domains & SSL › {domain} › DNS",
        "Add record",
        name_box="Host name",
        value_box="Points to, or value",
    ),
    Host(
        "ovh",
        "OVH",
        "Web Cloud › Domain names › {domain} › DNS zone",
        "Add an entry",
        name_box="Subdomain",
        value_box="Target",
        ttl="Default",
        apex="",
    ),
    Host("hetzner", "Hetzner", "DNS › {domain} › Records", "Add record"),
    Host("gandi", "Gandi", "Domain › {domain} › DNS Records", "Add record", value_box="Hostname, or value"),
    Host(
        "digitalocean",
        "DigitalOcean",
        "Networking › Domains › {domain}",
        "Create record",
        name_box="Hostname",
        value_box="Is an alias of, or value",
        ttl="1800",
    ),
    Host(
        "squarespace",
        "Squarespace",
        "Domains › {domain} › DNS › DNS Settings › Custom records",
        "Add record",
        value_box="Data",
    ),
    Host(
        "porkbun",
        "Porkbun",
        "Domain Management › {domain} › DNS",
        "Add",
        name_box="Host",
        value_box="Answer",
        ttl="1800",
        apex="",
    ),
)
HOSTS: Mapping[str, Host] = {one.key: one for one in (*_ALL, ANOTHER)}
USUAL = ("cloudflare", "route53", "godaddy", "namecheap")
"""The ones that are offered where another was found."""


def host_of(provider: Provider | None) -> Host:
    """The form of a provider; the plain one, with its habits, where the form is not known."""
    if provider is None:
        return ANOTHER
    known = next((one for one in _ALL if one.title == provider.name), None)
    return known or Host("other", provider.name, ANOTHER.way, ANOTHER.add)


def fields(host: Host, record: Record, zone: str) -> list[Field]:
    """What goes into each box for one record, so that what the host does to it comes out right.

    >>> record = Record("a._domainkey.example.com", "CNAME", "a.example.net", 1800)
    >>> [field.value for field in fields(HOSTS["godaddy"], record, "example.com")]
    ['CNAME', 'a._domainkey', 'a.example.net', '1/2 Hour']
    """
    adds = host.habits is not None and host.habits.adds_domain
    name = (relative(record.name, zone) or host.apex) if adds else record.name
    told = [
        Field("Type", host.type_word.format(type=record.type), is_fixed=True),
        Field(host.name_box, name),
    ]
    value = record.value
    if record.type == "MX":
        preference, value = mail_host(record)
        told.append(Field("Priority", str(preference)))
    if record.type == "TXT" and host.quotes_text:
        value = " ".join(quoted_strings(value))
    if record.type != "TXT" and host.habits is not None and host.habits.wants_final_dot:
        value += "."
    return [*told, Field(host.value_box, value), Field("TTL", host.ttl, is_fixed=True)]
