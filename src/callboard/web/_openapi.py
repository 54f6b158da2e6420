"""The OpenAPI 3.1 document of the endpoints, made of the same table that serves them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any, Final, get_args, get_type_hints

import attrs
import msgspec
from starlette.responses import Response

from . import _endpoints, _schemas as schemas
from ._endpoint import LIMITS, Endpoint, Param
from ._problems import PROBLEM
from ._reading import TEXT_TYPES, VERSION_PATTERN

_ALWAYS: Final = (400, 429, 503)
_PROBLEMS: Final[Mapping[int, str]] = {
    400: "Something in the request is wrong: all of it is listed.",
    401: "Who asks is not known.",
    403: "Who asks may not do this.",
    404: "There is no such thing.",
    409: "It does not fit how things are; nothing changed.",
    412: "It has another version than If-Match says.",
    413: "The body is too large.",
    415: "The body is of another type.",
    429: "Too many requests.",
    501: "Nothing here draws that.",
    503: "The engine or its store cannot answer now.",
    504: "The engine that owns the run has not answered; it may still do what was asked.",
}


@cache
def _document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    bodies: dict[str, Any] = {}
    for each in _endpoints.ENDPOINTS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, bodies)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "callboard",
            "version": version("callboard"),
            "description": "Runs of workflows, their tasks, and the board of tasks to be done.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas.COMPONENTS, **bodies},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def document(root: str) -> dict[str, Any]:
    """Return the document, as it is served below a path."""
    return {**_document(), "servers": [{"url": root or "/"}]}


def _operation(each: Endpoint, bodies: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.about,
        "tags": [each.tag],
        "parameters": _parameters(each),
        "responses": _responses(each),
    }
    if each.role is None:
        operation["security"] = []
    if each.body is not None:
        operation["requestBody"] = _body(each, each.body, bodies)
    return operation


# --- what goes in ---------------------------------------------------------------------------------


_PART: Final = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
_PATH_SCHEMAS: Final = {"task": {"type": "string", "minLength": 1}}
"""Only ids of tasks hold slashes, percent-encoded."""


def _parameters(each: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in each.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS.get(name, _PART)}
        for name in names
    ]
    found += [_parameter(param) for param in each.query]
    if each.versioned:
        found.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The version that it must have, as an ETag gave it.",
                "schema": {"type": "string", "pattern": VERSION_PATTERN},
            }
        )
    return found


def _parameter(param: Param) -> dict[str, Any]:
    told: dict[str, Any] = {"name": param.name, "in": "query", "description": param.about}
    text: dict[str, Any] = {"type": "string"}
    if param.choices:
        text["enum"] = list(map(str, param.choices))
    match param.kind:
        case "texts":
            told["schema"] = {"type": "array", "items": text}
            told["style"], told["explode"] = "form", True
        case "number":
            told["schema"] = {"type": "integer", "minimum": param.least, "maximum": param.most}
        case "flag":
            told["schema"] = {"type": "boolean"}
        case _:
            told["schema"] = text
    if param.default not in (None, ()):
        told["schema"]["default"] = param.default
    return told


def _body(each: Endpoint, cls: type[Any], bodies: dict[str, Any]) -> dict[str, Any]:
    if cls is bytes:
        content: dict[str, Any] = {media: {"schema": {}} for media in TEXT_TYPES}
    else:
        assert cls.__name__ not in schemas.COMPONENTS, f"two schemas are called {cls.__name__}"
        bodies[cls.__name__] = _schema_of(cls, bodies)
        content = {"application/json": {"schema": schemas.ref(cls.__name__)}}
    return {"required": each.body_required, "content": content}


def _schema_of(cls: type[Any], bodies: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a class of bodies, as it is read: strictly."""
    hints = get_type_hints(cls)
    properties: dict[str, Any] = {}
    required: list[str] = []
    about = _attributes(cls.__doc__ or "")
    for field in attrs.fields(cls):
        schema = {**_type_schema(hints[field.name], bodies), **field.metadata.get(LIMITS, {})}
        if field.name in about:
            schema["description"] = about[field.name]
        if field.default is attrs.NOTHING:
            required.append(field.name)
        properties[field.name] = schema
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _type_schema(hint: Any, bodies: dict[str, Any]) -> dict[str, Any]:
    if hint is Any:
        return {}
    stack = [hint]
    while stack:
        each = stack.pop()
        stack += get_args(each)
        if attrs.has(each):
            bodies[each.__name__] = _schema_of(each, bodies)
    (schema,), _ = msgspec.json.schema_components(
        [hint], ref_template="#/components/schemas/{name}"
    )
    return schema


def _attributes(doc: str) -> dict[str, str]:
    """Return what a docstring says of each attribute."""
    found: dict[str, str] = {}
    name = ""
    for line in doc.partition("Attributes:\n")[2].splitlines():
        text = line.strip()
        head, colon, rest = text.partition(": ")
        if colon and head.isidentifier() and line.startswith(" " * 8) and line[8] != " ":
            name = head
            found[name] = rest
        elif text and name:
            found[name] += f" {text}"
    return found


# --- what comes out -------------------------------------------------------------------------------


def _responses(each: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in each.answers.items():
        told: dict[str, Any] = {"description": answer.about}
        if answer.schema is not None or answer.media != "application/json":
            media = (answer.media,) if isinstance(answer.media, str) else answer.media
            told["content"] = {each: {"schema": answer.schema or {}} for each in media}
        found[str(status)] = told
    for status in sorted({*_ALWAYS, *each.problems, *_by_kind(each)} - set(each.answers)):
        found[str(status)] = {
            "description": _PROBLEMS[status],
            "content": {PROBLEM: {"schema": schemas.PROBLEM}},
        }
    return found


def _by_kind(each: Endpoint) -> set[int]:
    found: set[int] = {404} if "{" in each.path else set()
    if each.role is not None:
        found |= {401, 403}
    if each.method != "GET":
        found |= {403, 413}
    if each.body is not None:
        found |= {415}
    return found


# --- to be read by people -------------------------------------------------------------------------


def browsable(root: str) -> Response:
    """Return the document as a page, with no script in it."""
    rows = "".join(_described(each, root) for each in _endpoints.ENDPOINTS)
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>callboard: REST</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main><h1>callboard {escape(version("callboard"))}</h1>
<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>{rows}</main></body></html>"""
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    return Response(body, headers=headers, media_type="text/html")


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color-scheme:light dark}code{font-size:.95em}summary{cursor:pointer;padding:.3rem 0}"
    "details{border-bottom:1px solid #8886}pre{overflow:auto}b{display:inline-block;width:4.5rem}"
)


def _described(each: Endpoint, root: str) -> str:
    operation = _document()["paths"][each.path][each.method.lower()]
    told = msgspec.json.format(msgspec.json.encode(operation), indent=2).decode()
    roles = each.role if isinstance(each.role, str) else " or ".join(each.role or ("everybody",))
    return (
        f"<details><summary><b>{each.method}</b> <code>{escape(root + each.path)}</code> "
        f"{escape(each.about)}</summary><p>For: {escape(roles)}.</p>"
        f"<pre>{escape(told)}</pre></details>"
    )
