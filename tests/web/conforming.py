"""Every answer that a test gets must be one that the OpenAPI document promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import httpx2
import jsonschema
import msgspec

from callboard.web import _openapi

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
ROOTS: Final = re.compile(r"/(?:api/v1/|health$|metrics$)")


async def conforms(response: httpx2.Response) -> None:
    """Compare an answer of a client with the document."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return
    await response.aread()
    request = response.request
    path = request.url.raw_path.decode().partition("?")[0]
    media = response.headers.get("content-type", "")
    check(request.method, path, response.status_code, media, response.content)


def check(method: str, path: str, status: int, media: str, content: bytes) -> None:
    """Compare an answer with what the document says of its method, path and status."""
    media = media.partition(";")[0]
    what = f"{method} {path} answers {status} {media}"
    operations = _operations(path)
    if operations is None:
        assert status == 404, what
        return
    known = "get" if method == "HEAD" else method.lower()
    if known not in operations:
        assert status == 405, what
        _check(what, media, content, {"application/problem+json": {"schema": PROBLEM}})
        return
    told = operations[known]["responses"].get(str(status))
    assert told is not None, f"{what}: not promised"
    if method != "HEAD":
        _check(what, media, content, told.get("content"))


def _check(what: str, media: str, content: bytes, promised: Mapping[str, Any] | None) -> None:
    if promised is None:
        assert content == b"", what
        return
    assert media in promised, f"{what}; promised: {list(promised)}"
    schema = promised[media]["schema"]
    if schema and media.endswith("json"):
        value = msgspec.json.decode(content)
        errors = list(_validator().evolve(schema=schema).iter_errors(value))
        assert not errors, f"{what}: {errors[0]}\n{content[:2000]!r}"


@cache
def _validator() -> Any:
    # The references in schemas lead into the document.
    resolver: Any = jsonschema.Draft202012Validator
    registry = _registry()
    return resolver({}, registry=registry, _resolver=registry.resolver(base_uri="urn:document"))


def _registry() -> Any:
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resource: Any = DRAFT202012.create_resource(_openapi.document(""))
    registry: Any = Registry()
    return registry.with_resource("urn:document", resource)


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return a pattern for each path, the more exact ones first."""
    paths: dict[str, dict[str, Any]] = _openapi.document("")["paths"]
    found: list[tuple[re.Pattern[str], dict[str, Any]]] = []
    for path in sorted(paths, key=lambda path: (-path.count("/"), path.count("{"))):
        pattern = re.escape(path).replace(r"\{task\}", ".*")
        found.append((re.compile(re.sub(r"\\{\w+\\}", "[^/]+", pattern)), paths[path]))
    return found


def _operations(path: str) -> dict[str, Any] | None:
    begin = ROOTS.search(path)
    if begin is not None and path.startswith("//"):
        return None
    if begin is None:
        return None
    for pattern, operations in _paths():
        if pattern.fullmatch(path[begin.start() :]):
            return operations
    return None
