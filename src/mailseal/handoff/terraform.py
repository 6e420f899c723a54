"""Records as resources of Terraform: of the AWS provider for Route 53, and of Cloudflare's from version 5.

Rule: pure; a zone is looked up by its name, so that nobody has to fill in an id; a resource is named by its
record, so that a file made again changes only what has changed.
References: Terraform's HCL native syntax, "Templates"; aws_route53_record, cloudflare_dns_record.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailseal.handoff.records import Record, Sheet, mail_host, quoted_strings, strings


def format_terraform(sheet: Sheet) -> str:
    """Resources of the AWS provider, one for each record."""
    own = _identifier(sheet.identity)
    blocks = [_block("data", "aws_route53_zone", own, [("name", _text(sheet.zone))])]
    for record in sheet.records:
        members = [
            ("zone_id", f"data.aws_route53_zone.{own}.zone_id"),
            ("name", _text(record.name)),
            ("type", _text(record.type)),
            ("ttl", str(record.ttl)),
            ("records", f"[{_text(_aws_value(record))}]"),
        ]
        blocks.append(_block("resource", "aws_route53_record", _named(record), members))
    return "".join(blocks)


def _aws_value(record: Record) -> str:
    """As the provider wants it: it puts the outer quotation marks around a TXT itself."""
    if record.type != "TXT":
        return record.value
    return '""'.join(part.replace("\\", "\\\\").replace('"', '\\"') for part in strings(record.value))


def format_terraform_cloudflare(sheet: Sheet) -> str:
    """Resources of Cloudflare's provider, one for each record, none of them behind its proxy."""
    own = _identifier(sheet.identity)
    blocks = [_block("data", "cloudflare_zone", own, [("filter", f"{{ name = {_text(sheet.zone)} }}")])]
    for record in sheet.records:
        members = [
            ("zone_id", f"data.cloudflare_zone.{own}.zone_id"),
            ("name", _text(record.name)),
            ("type", _text(record.type)),
            ("ttl", str(record.ttl)),
            *_cloudflare_content(record),
            ("proxied", "false"),
        ]
        blocks.append(_block("resource", "cloudflare_dns_record", _named(record), members))
    return "".join(blocks)


def _cloudflare_content(record: Record) -> list[tuple[str, str]]:
    if record.type == "MX":
        preference, host = mail_host(record)
        return [("content", _text(host)), ("priority", str(preference))]
    whole = " ".join(quoted_strings(record.value)) if record.type == "TXT" else record.value
    return [("content", _text(whole))]


def _named(record: Record) -> str:
    return f"{_identifier(record.name)}_{record.type.lower()}"


def _identifier(name: str) -> str:
    """A name that a resource can have: it may not begin with a digit."""
    return "mailseal_" + "".join(char if char.isalnum() or char == "-" else "_" for char in name)


def _block(kind: str, resource: str, name: str, members: Sequence[tuple[str, str]]) -> str:
    width = max(len(key) for key, _ in members)
    lines = [f"  {key:<{width}} = {value}" for key, value in members]
    return "\n".join([f'{kind} "{resource}" "{name}" {{', *lines, "}"]) + "\n\n"


def _text(text: str) -> str:
    """A string of HCL, in which nothing is a template."""
    for mark, instead in (("\\", "\\\\"), ('"', '\\"'), ("${", "$${"), ("%{", "%%{")):
        text = text.replace(mark, instead)
    return f'"{text}"'
