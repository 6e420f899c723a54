"""DNS providers known by their name servers or SOA, what their forms do to a record, and mail services known
by the targets they hand out.

Rule: data; a provider that is not here is not named, and what is said of one is a habit of its form, never a
judgement of who filled it in.
References: RFC 1034 §3.6, RFC 1035 §3.3.13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_ADDS = "{} adds the domain by itself: enter names without it."
_RELATIVE = "At {} a value without a final dot gets the domain added: end it with a dot."


@dataclass(frozen=True, slots=True)
class Provider:
    """A DNS provider; the ends of its name servers' names, and the habits of its forms."""

    name: str
    servers: tuple[str, ...]
    adds_domain: bool = True
    wants_final_dot: bool = False
    proxies: bool = False

    @property
    def on_names(self) -> str:
        """What its form does to a name, as a sentence; empty where nothing is known."""
        return _ADDS.format(self.name) if self.adds_domain else ""

    @property
    def on_targets(self) -> str:
        """What its form does to a CNAME's value."""
        return _RELATIVE.format(self.name) if self.wants_final_dot else ""

    @property
    def on_proxies(self) -> str:
        """How its form puts itself in the place of a CNAME."""
        return f"{self.name} does that where its proxy is on: set the record to DNS only." * self.proxies


PROVIDERS = (
    Provider("Cloudflare", ("ns.cloudflare.com",), adds_domain=False, proxies=True),
    Provider(
        "Amazon Route 53",
        tuple(f"awsdns-{n:02}.{top}" for n in range(64) for top in ("com", "net", "org", "co.uk")),
    ),
    Provider("GoDaddy", ("domaincontrol.com",)),
    Provider("Namecheap", ("registrar-servers.com", "namecheaphosting.com")),
    Provider("IONOS", ("ui-dns.com", "ui-dns.de", "ui-dns.org", "ui-dns.biz")),
    Provider("OVH", ("ovh.net", "ovh.ca", "anycast.me"), wants_final_dot=True),
    Provider("Squarespace", ("squarespacedns.com",)),
    Provider("Wix", ("wixdns.net",)),
    Provider("Google", ("googledomains.com",)),
    Provider(
        "Hetzner", ("ns.hetzner.com", "ns.hetzner.de", "first-ns.de", "second-ns.com"), wants_final_dot=True
    ),
    Provider("Gandi", ("gandi.net", "dns.gandi.net"), wants_final_dot=True),
    Provider("DigitalOcean", ("digitalocean.com",), wants_final_dot=True),
    Provider("Azure DNS", ("azure-dns.com", "azure-dns.net", "azure-dns.org", "azure-dns.info")),
    Provider("Hostinger", ("dns-parking.com",)),
    Provider("Porkbun", ("porkbun.com",)),
    Provider("STRATO", ("rzone.de",)),
    Provider("Vercel", ("vercel-dns.com",)),
    Provider("DNSimple", ("dnsimple.com", "dnsimple-edge.net")),
    Provider("Linode", ("linode.com",), adds_domain=False),
    Provider("deSEC", ("desec.io", "desec.org"), wants_final_dot=True),
)

PARKING = (
    *("sedoparking.com", "parkingcrew.net", "bodis.com"),
    *("pendingrenewaldeletion.com", "renewyourname.net"),
)
"""Name servers of domains that nobody uses or has paid for."""

MAIL_SERVICES = {
    "amazonses.com": "Amazon SES",
    "sendgrid.net": "SendGrid",
    "mailgun.org": "Mailgun",
    "mandrillapp.com": "Mailchimp",
    "mcsv.net": "Mailchimp",
    "onmicrosoft.com": "Microsoft 365",
    "mtasv.net": "Postmark",
    "sparkpostmail.com": "SparkPost",
    "mailjet.com": "Mailjet",
    "brevo.com": "Brevo",
    "sendinblue.com": "Brevo",
    "hubspotemail.net": "HubSpot",
    "zoho.com": "Zoho",
    "zendesk.com": "Zendesk",
    "fastmail.com": "Fastmail",
    "protonmail.ch": "Proton Mail",
    "proton.ch": "Proton Mail",
    "klaviyomail.com": "Klaviyo",
    "resend.com": "Resend",
}
"""By the end of the names that they give to their customers as CNAME targets."""


def provider_of(servers: Iterable[str], soa_names: Iterable[str] = ()) -> Provider | None:
    """The provider whose name servers these are; a SOA's primary and admin count where they tell nothing.

    >>> provider_of(["ns51.domaincontrol.com"]).name
    'GoDaddy'
    """
    for names in (servers, soa_names):
        for name in names:
            for provider in PROVIDERS:
                if _ends_with(name, provider.servers):
                    return provider
    return None


def mail_service_of(target: str) -> str:
    """The mail service that hands out this CNAME target, or nothing.

    >>> mail_service_of("abc.dkim.amazonses.com"), mail_service_of("example.org")
    ('Amazon SES', '')
    """
    return next((name for end, name in MAIL_SERVICES.items() if _ends_with(target, (end,))), "")


def is_parked(servers: Iterable[str]) -> bool:
    """Whether the name servers are those of domains that nobody uses."""
    return any(_ends_with(name, PARKING) for name in servers)


def _ends_with(name: str, ends: tuple[str, ...]) -> bool:
    lowered = name.lower().rstrip(".")
    return any(lowered == end or lowered.endswith(f".{end}") for end in ends)
