"""The parameters that queries of the native API take.

Rule: data; a parameter means the same at every path.
References: OpenAPI Specification 3.1, Parameter Object.
"""

from __future__ import annotations

from mailseal.core.lifecycle import DkimStatus
from mailseal.handoff.formats import FORMATS
from mailseal.native.routes import Query

LIMIT = Query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 1000})
NEXT = Query("next", "What the page before gave as `next`.", {"type": "string"})
CONTAINS = Query("contains", "Only names that contain this.", {"type": "string"})
STATUS = Query("status", "Only those with this status.", {"enum": [str(one) for one in DkimStatus]})
EVENTS = Query("events", "`all` for up to 1,000 events instead of ten.", {"enum": ["all"]})
FORMAT = Query("format", "A text in this format instead of the object.", {"enum": list(FORMATS)})
ACCOUNT = Query("account", "Of this account instead of one's own.", {"type": "string"})
