"""Every answer that a test gets must be one that the OpenAPI document promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import httpx2
import jsonschema

from callboard.web import _openapi

NO_BODY: Final = (204, 304)
ROOTS: Final = re.compile(r"/(?:api/v1/|health$|metrics$)")


async def conforms(response: httpx2.Response) -> None:
    """Compare an answer with what the document says of its method, path and status."""
    request = response.request
    media = response.headers.get("content-type", "").partition(";")[0]
    if media == "text/event-stream":
        return
    await response.aread()
    operations = _operations(request.url.raw_path.decode().partition("?")[0])
    if operations is None:
        assert response.status_code in (404, 307), request.url
        return
    method = "get" if request.method == "HEAD" else request.method.lower()
    if method not in operations:
        assert response.status_code == 405, request.url
        _check(response, media, {"application/problem+json": {"schema": _problem()}})
        return
    told = operations[method]["responses"].get(str(response.status_code))
    assert told is not None, f"{method} {request.url} answers {response.status_code}: not promised"
    if request.method != "HEAD":
        _check(response, media, told.get("content"))


def _problem() -> dict[str, Any]:
    return {"$ref": "#/components/schemas/Problem"}


def _check(response: httpx2.Response, media: str, content: Mapping[str, Any] | None) -> None:
    if content is None:
        assert response.content == b""
        assert response.status_code in NO_BODY
        return
    assert media in content, f"{response.request.url} gives {media}, promised: {list(content)}"
    schema = content[media]["schema"]
    if schema and media.endswith("json"):
        validator = _validator()
        errors = list(validator.evolve(schema=schema).iter_errors(response.json()))
        assert not errors, f"{response.request.url}: {errors[0]}\n{response.text[:2000]}"


@cache
def _validator() -> Any:
    # The references in schemas lead into the document.
    resolver = jsonschema.validators.validator_for({"$schema": DIALECT})
    registry = _registry()
    return resolver({}, registry=registry, _resolver=registry.resolver(base_uri="urn:document"))


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _registry() -> Any:
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resource = DRAFT202012.create_resource(_openapi.document(""))
    registry: Any = Registry()
    return registry.with_resource("urn:document", resource)


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return a pattern for each path, the more exact ones first."""
    paths: dict[str, dict[str, Any]] = _openapi.document("")["paths"]
    found: list[tuple[re.Pattern[str], dict[str, Any]]] = []
    for path in sorted(paths, key=lambda path: (-path.count("/"), path.count("{"))):
        pattern = re.escape(path).replace(r"\{task\}", ".+")
        found.append((re.compile(re.sub(r"\\{\w+\\}", "[^/]+", pattern)), paths[path]))
    return found


def _operations(path: str) -> dict[str, Any] | None:
    begin = ROOTS.search(path)
    if begin is None:
        return None
    for pattern, operations in _paths():
        if pattern.fullmatch(path[begin.start() :]):
            return operations
    return None
