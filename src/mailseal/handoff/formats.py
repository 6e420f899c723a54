"""The formats in which records are handed over, by the word that API and program take.

Rule: data; what a format looks like is in the module of its function.
References: docs/cli.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailseal.handoff.lines import CSV_HEAD, format_cloudflare, format_csv, format_nsupdate, format_zone
from mailseal.handoff.octodns import format_octodns
from mailseal.handoff.records import Sheet
from mailseal.handoff.route53 import format_route53
from mailseal.handoff.terraform import format_terraform, format_terraform_cloudflare


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its function, the name it has for people, and how a file of it is called and sent."""

    write: Callable[[Sheet], str]
    title: str
    suffix: str
    media_type: str = "text/plain"
    head: str = ""
    """What stands once, above the first sheet."""


FORMATS: Mapping[str, Format] = {
    "zone": Format(format_zone, "Zone file", "zone"),
    "csv": Format(format_csv, "CSV", "csv", "text/csv", CSV_HEAD),
    "route53": Format(format_route53, "Route 53 change batch", "jsonl", "application/jsonl"),
    "terraform": Format(format_terraform, "Terraform, Route 53", "tf"),
    "terraform-cloudflare": Format(format_terraform_cloudflare, "Terraform, Cloudflare", "tf"),
    "octodns": Format(format_octodns, "octoDNS", "yaml", "application/yaml"),
    "cloudflare": Format(format_cloudflare, "Cloudflare import", "zone"),
    "nsupdate": Format(format_nsupdate, "nsupdate", "nsupdate"),
}
