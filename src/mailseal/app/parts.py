"""From the configuration to the parts of the world: policy, zone, resolver, next hop.

Rule: what the configuration says wrongly is told in three lines that name its key; nothing is started here.
References: docs/config.md.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailseal.config import Config, SetupError
from mailseal.core.addressid import parse_address
from mailseal.core.errors import BadRequest
from mailseal.core.limits import Rate
from mailseal.core.mailfrom import MailFromHosts
from mailseal.core.names import parse_domain
from mailseal.core.policy import Policy
from mailseal.core.zone import parse_hosted_zone
from mailseal.nameserver.zone import Zone, ZoneSettings, ZoneSource
from mailseal.resolver.asking import DnsResolver, parse_roots
from mailseal.service.world import Links
from mailseal.smtp.login import load_login
from mailseal.smtp.maildir import MaildirNextHop
from mailseal.smtp.nexthop import SmtpNextHop

_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~%/-]{0,200})?\Z")


class SystemClock:
    """The machine's clock, for both purposes."""

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(UTC)

    def real_now(self) -> datetime:
        """The same."""
        return datetime.now(UTC)


def policy_of(config: Config) -> Policy:
    """The policy that the configuration sets."""
    return Policy(
        search=timedelta(hours=config.verification.search_hours),
        grace=timedelta(hours=config.verification.grace_hours),
        retain=timedelta(days=config.keys.retain_days),
        rotate_days=config.keys.rotate_days,
        ed25519=config.keys.ed25519,
        publish_retired_after=timedelta(days=config.keys.publish_retired_after_days),
        key_ttl=config.dns.key_ttl,
        blank_ttl=config.dns.blank_ttl,
        auto_resume=config.verification.auto_resume,
        strict_ses_signing_gap=config.ses.strict_ses_signing_gap,
        strict_ses_duplicate_signatures=config.ses.strict_ses_duplicate_signatures,
        same_length_is_noop=config.ses.same_length_is_noop,
    )


_REGION_ZONES = 'region_zones = ["eu-west-1 dkim-eu.mx.example.net"]'


def hosted_zone_of(config: Config) -> str:
    """The canonical name of our zone; raises SetupError."""
    try:
        return parse_hosted_zone(config.dns.hosted_zone)
    except BadRequest as refusal:
        raise SetupError(
            f'[dns] hosted_zone = "{config.dns.hosted_zone}" cannot serve', refusal.message, refusal.hint
        ) from None


def region_zones_of(config: Config) -> Mapping[str, str]:
    """The hosted zones of regions that have one of their own; raises SetupError."""
    found: dict[str, str] = {}
    for line in config.dns.region_zones:
        region, _, zone = line.strip().partition(" ")
        what = f"[dns] region_zones: {line!r} is not a region, a blank and a zone"
        if region not in config.api.regions:
            served = ", ".join(config.api.regions)
            raise SetupError(what, f"the regions of [api] regions are {served}", _REGION_ZONES)
        try:
            found[region] = parse_hosted_zone(zone.strip())
        except BadRequest as refusal:
            raise SetupError(what, refusal.message, _REGION_ZONES) from None
    return found


def mail_from_hosts_of(config: Config) -> MailFromHosts:
    """What the owners of MAIL FROM domains point at; names beside our zone where none were given, since in
    the zone itself only keys are published."""
    zone = hosted_zone_of(config)
    parent = zone.partition(".")[2]
    beside = parent if "." in parent else zone
    return MailFromHosts(
        _host_name(config.mail_from.mx_host or f"feedback.{beside}", "mx_host"),
        _host_name(config.mail_from.spf_include or f"spf.{beside}", "spf_include"),
    )


def _host_name(text: str, key: str) -> str:
    try:
        return parse_domain(text.removesuffix("."))
    except BadRequest as refusal:
        raise SetupError(f'[mail_from] {key} = "{text}" is not a host name', do=refusal.hint) from None


def addresses_of(config: Config) -> Mapping[str, tuple[str, ...]]:
    """The addresses of our name servers by name; raises SetupError for a line that is not `name address`."""
    found: dict[str, tuple[str, ...]] = {}
    for line in config.dns.addresses:
        name, _, address = line.strip().partition(" ")
        try:
            shown = str(ipaddress.ip_address(address.strip()))
        except ValueError:
            what = f"[dns] addresses: {line!r} is not a name, a blank and an address"
            raise SetupError(what, do='addresses = ["ns1.dkim.example.net 192.0.2.10"]') from None
        key = name.lower().removesuffix(".")
        found[key] = (*found.get(key, ()), shown)
    return found


def links_of(config: Config, api_url: str, operator_account: str) -> Links:
    """Whence the mails that prove addresses come, and where their links lead; raises SetupError."""
    scheme = "https" if config.api.certificate else "http"
    at_first = f"{scheme}://{next(iter(config.api.listen), '127.0.0.1:8080')}"
    url = (config.api.public_url or api_url or at_first).rstrip("/")
    if not _URL.match(url):
        raise SetupError(
            f'[api] public_url = "{url}" is not a URL', do='public_url = "https://mail.example.net"'
        )
    sender = config.sending.verification_from
    if not sender:
        return Links(url, f"no-reply@{hosted_zone_of(config)}", operator_account)
    try:
        return Links(url, str(parse_address(sender)), operator_account)
    except BadRequest as refusal:
        what = f'[sending] verification_from = "{sender}" is not an address'
        raise SetupError(what, do=refusal.hint) from None


def own_key_rate_of(config: Config) -> Rate | None:
    """How many keys of its own an account may bring, or None for no limit."""
    per_second = config.keys.own_keys_per_second
    return Rate(per_second, 10 * per_second) if per_second else None


def make_zone(config: Config, apex: str, source: ZoneSource) -> Zone:
    """A zone of ours, ready to answer from; an older zone has the same name servers as the present one."""
    names = tuple(name.lower().removesuffix(".") for name in config.dns.name_servers)
    return Zone(ZoneSettings(apex, names, addresses_of(config)), source)


def make_resolver(config: Config) -> DnsResolver:
    """The resolver that the configuration names; raises SetupError."""
    given = config.resolver
    try:
        return DnsResolver(
            given.vantages,
            remote_vantages=given.remote_vantages,
            roots=parse_roots(given.roots),
            ca_file=given.ca_file or None,
            authorities=given.authorities,
            allow_networks=given.allow_networks,
            port=given.port,
        )
    except OSError as fault:
        what = f"[resolver] ca_file = {given.ca_file!r} cannot be read: {fault.strerror or fault}"
        raise SetupError(what, do="name a PEM file, or leave it empty for the system's authorities") from None
    except ValueError as fault:
        what = f"[resolver] cannot be used: {fault}"
        raise SetupError(what, do='vantages = ["udp://192.0.2.53:53"]') from None


def make_next_hop(config: Config) -> SmtpNextHop | MaildirNextHop:
    """The next hop that the configuration names; raises SetupError."""
    url = config.nexthop.url
    our_name = next(iter(config.dns.name_servers), "localhost").removesuffix(".")
    try:
        if url.startswith("maildir:"):
            return MaildirNextHop(Path(url.removeprefix("maildir:")))
        given = config.nexthop
        return SmtpNextHop(
            url,
            our_name=our_name,
            verify=given.verify,
            ca_file=given.ca_file,
            connections=given.connections,
            login=load_login(given.credentials, os.environ),
        )
    except (ValueError, OSError) as fault:
        what = f"the next hop {url} cannot be used: {fault}"
        raise SetupError(what, do='[nexthop] url = "smtp://127.0.0.1:10025"') from None
