"""What the programs around botocore share: its model's members, and its errors in the judge's form.

Rule: nothing newer than the oldest botocore that is tested.
"""

from __future__ import annotations

from typing import Any

try:
    from botocore.exceptions import ClientError
except ImportError:  # the command line brings its own
    from awscli.botocore.exceptions import ClientError

DEEPEST = 6


def members(shape: Any, prefix: str = "", depth: int = 0) -> list[str]:
    """The paths of all members of a structure, lists marked by []."""
    if shape is None or depth > DEEPEST:
        return []
    if shape.type_name == "list":
        return members(shape.member, f"{prefix}[]", depth + 1)
    if shape.type_name != "structure":
        return []
    found = []
    for name, inner in shape.members.items():
        path = f"{prefix}.{name}" if prefix else name
        found += [path, *members(inner, path, depth + 1)]
    return found


def known(*models: Any) -> dict[str, dict[str, list[str]]]:
    """Each operation of these service models with the members it sends and reads."""
    found = {}
    for model in models:
        api = "" if model.service_name == "sesv2" else f"{model.service_name}:"
        for name in model.operation_names:
            one = model.operation_model(name)
            found[api + name] = {"in": members(one.input_shape), "out": members(one.output_shape)}
    return found


def refusal(error: Exception) -> dict[str, Any]:
    """An error of the service, or a fault of the client's own."""
    if not isinstance(error, ClientError):
        return {"fault": f"{type(error).__name__}: {error}"}
    told = error.response["Error"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return {"error": {"name": told["Code"], "message": told["Message"], "status": status}}
