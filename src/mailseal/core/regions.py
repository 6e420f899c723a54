"""Regions: namespaces of an installation, and the origins by which a replica names its parent's.

Rule: a region is chosen by the SigV4 scope; an origin `AWS_SES_EU_WEST_1` means the region `eu-west-1`.
References: AWS SESv2 DkimSigningAttributesOrigin.
"""

from __future__ import annotations

import re

_PREFIX = "AWS_SES_"
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
