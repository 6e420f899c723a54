"""Regions: namespaces of an installation, and the origins by which a replica names its parent's.

Rule: a region is chosen by the SigV4 scope; an origin `AWS_SES_EU_WEST_1` means the region `eu-west-1`.
References: AWS SESv2 DkimSigningAttributesOrigin.
"""

from __future__ import annotations

import re

_PREFIX = "AWS_SES_"
_NAMES = """
us-east-1 us-east-2 us-west-1 us-west-2 af-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1
ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5 ca-central-1 ca-west-1 eu-central-1
eu-central-2 eu-north-1 eu-south-1 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1
sa-east-1 us-gov-east-1 us-gov-west-1
"""
REGIONS = tuple(_NAMES.split())
"""Every region that an origin can name: a sandbox serves them all."""
_REPLICA_ORIGIN = re.compile(r"AWS_SES_[A-Z0-9]+(?:_[A-Z0-9]+)+\Z")


def parent_region(origin: str) -> str | None:
    """The region that a replica's origin names, or None where the origin is not a replica's.

    >>> parent_region("AWS_SES_EU_WEST_1")
    'eu-west-1'
    >>> parent_region("AWS_SES") is None
    True
    """
    if _REPLICA_ORIGIN.match(origin) is None:
        return None
    return origin.removeprefix(_PREFIX).lower().replace("_", "-")


def replica_origin(region: str) -> str:
    """The origin of a replica whose parent is in that region.

    >>> replica_origin("eu-west-1")
    'AWS_SES_EU_WEST_1'
    """
    return _PREFIX + region.upper().replace("-", "_")
