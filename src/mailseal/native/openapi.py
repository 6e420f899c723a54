"""The OpenAPI document of the native API, made of the declarations that requests are routed by.

Rule: pure; what is not declared is not in it, and nothing is said here that a declaration could say.
References: OpenAPI Specification 3.1; RFC 6750 §2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mailseal import __version__
from mailseal.handoff.formats import FORMATS
from mailseal.native.routes import Query, Route
from mailseal.native.shapes import Error

PREFIX = "/mailseal/v1/"
_REF = "#/components/schemas/{name}"
_ERRORS = {
    "400": "The request is not one, or is declined.",
    "401": "Nobody signed it.",
    "403": "The signature or token is not right, or does not permit this.",
    "404": "There is nothing of that name.",
    "409": "It exists already, or was changed at the same moment.",
    "429": "Too many requests.",
    "500": "A fault of the service.",
    "503": "Not at this moment.",
}


def openapi_document(routes: Sequence[Route]) -> Mapping[str, Any]:
    """The document for these routes."""
    kinds = [kind for route in routes for kind in _kinds(route)]
    references, schemas = msgspec.json.schema_components([*kinds, Error], ref_template=_REF)
    by_kind = dict(zip([*kinds, Error], references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"{PREFIX}{route.path}", {})[route.method.lower()] = _operation(route, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailseal",
            "version": __version__,
            "description": "Identities, their records, checks, keys and links. Requests are signed with AWS "
            "Signature Version 4 for the service `ses`, or carry a bearer token.",
        },
        "paths": paths,
        "security": [{"bearer": []}, {"sigv4": []}],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4",
                },
            },
        },
    }


def _kinds(route: Route) -> list[Any]:
    """The types of a route's objects."""
    answers = route.answer if isinstance(route.answer, tuple) else (route.answer,)
    return [*answers, *([route.body] if route.body else [])]


def _operation(route: Route, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    says = _sentence(route.handler.__doc__ or "")
    answers = [by_kind[kind] for kind in _kinds(route) if kind is not route.body]
    schema = answers[0] if len(answers) == 1 else {"anyOf": answers}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if any(one.name == "format" for one in route.query):
        texts = {form.media_type for form in FORMATS.values()}
        content |= {kind: {"schema": {"type": "string"}} for kind in sorted(texts)}
    told: dict[str, Any] = {
        "operationId": route.operation,
        "summary": says,
        "responses": {
            "200": {"description": says, "content": content},
            **{status: _error(text, by_kind) for status, text in _ERRORS.items()},
        },
    }
    parameters = [*_names(route.path), *(_parameter(one) for one in route.query)]
    if parameters:
        told["parameters"] = parameters
    if route.body is not None:
        body = {"content": {"application/json": {"schema": by_kind[route.body]}}}
        told["requestBody"] = body | {"required": False}
    if route.actions:
        told["description"] = f"Needs {', '.join(f'`ses:{action}`' for action in route.actions)}."
    return told


def _sentence(docstring: str) -> str:
    return docstring.partition("\n")[0].strip()


def _error(text: str, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": by_kind[Error]}}}


def _names(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in re.findall(r"{([^}]+)}", path)
    ]


def _parameter(query: Query) -> dict[str, Any]:
    return {"name": query.name, "in": "query", "description": query.says, "schema": dict(query.schema)}
