"""The OpenAPI document is valid, and the application does what it says and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from callboard.web import _openapi
from callboard.web._endpoints import ENDPOINTS

HERE = Path(__file__).parent
EXAMPLES = max(2, int(os.environ.get("FUZZ_SECONDS", "3")) // 2)
"""For each operation; 2 are 11 s and some 1,900 requests."""

SEED = 4


@pytest.fixture
def url() -> Iterator[str]:
    """Where an application is served by another process."""
    command = [sys.executable, str(HERE / "schema_server.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate()


@pytest.mark.long
def test_schemathesis_finds_nothing(url: str, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{url}/api/v1/openapi.json"),
        *("--phases", "examples,coverage,fuzzing", "--mode", "all", "--checks", "all"),
        *("--seed", str(SEED), "--max-examples", str(EXAMPLES), "--no-shrink"),
        *("--generation-allow-x00", "false", "--request-timeout", "10", "--no-color"),
        *("--exclude-operation-id", "changes"),  # It goes on and on.
    ]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
    generated = re.search(r"([\d,]+) generated", done.stdout)
    assert generated is not None, done.stdout
    assert int(generated[1].replace(",", "")) > 300


def test_every_endpoint_is_in_the_document() -> None:
    document = _openapi.document("/below")
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/below"}]
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() == {(each.path, each.method.lower()) for each in ENDPOINTS}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)


def test_every_schema_of_the_document_is_one_and_every_reference_leads_somewhere() -> None:
    document = _openapi.document("")
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    found = 0
    for value in _objects(document):
        if "schema" in value and "in" not in value.get("schema", {}):
            jsonschema.Draft202012Validator.check_schema(value["schema"])
            found += 1
        if "$ref" in value:
            kind, _, name = value["$ref"].removeprefix("#/components/").partition("/")
            assert name in document["components"][kind], value["$ref"]
    assert found > 100


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        yield inner
        for each in inner.values():
            yield from _objects(each)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _objects(each)


def test_the_document_is_openapi() -> None:
    """It has what the specification demands, and no reference is left over."""
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(_openapi.document(""))
